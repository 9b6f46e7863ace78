"""A server that answers everything alike: against it a bench measures itself. Prints its port; ends with stdin."""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys

BODY = b'{"key":"x","value":"5","vc":[1,0,0]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
RECEIVE_BYTES = 64 * 1024


def main() -> None:
    """Serve: each piece that comes is taken for one whole GET."""
    with socket.create_server(("127.0.0.1", 0)) as server, selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        sys.stdout.write(f"{server.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is server:
                    made, _ = server.accept()
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(made, selectors.EVENT_READ, made)
                    continue
                connection: socket.socket = key.data
                with contextlib.suppress(OSError):
                    if connection.recv(RECEIVE_BYTES):
                        connection.send(ANSWER)
                        continue
                selector.unregister(connection)
                connection.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
