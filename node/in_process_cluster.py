"""Several nodes in one process over the in-process fanout: a first look without a broker, lessons, tests.

``python -m node.in_process_cluster --base-port 8001`` serves node1, node2 and node3 on 8001 to 8003 until SIGTERM
or SIGINT. Nothing travels through RabbitMQ, so what it shows of the broker is nothing.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from node import garbage
from node.errors import CausalKVError, ConfigurationError
from node.logs import configure_logging
from node.node import Node
from node.settings import load_settings

if TYPE_CHECKING:
    from types import FrameType

_NODES = ("node1", "node2", "node3")


def main() -> int:
    """Run the cluster; exit codes as for a single node."""
    parser = argparse.ArgumentParser(prog="python -m node.in_process_cluster", description=__doc__)
    parser.add_argument("--base-port", type=int, default=8001, help="port of node1; the others follow (default 8001)")
    parser.add_argument(
        "--data-dir", type=Path, help="keep the data here (default: a folder that is deleted at the end)"
    )
    arguments = parser.parse_args()
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with tempfile.TemporaryDirectory(prefix="causalkv-") as temporary:
        return _run(arguments.base_port, arguments.data_dir or Path(temporary), ended)


def _run(base_port: int, data_dir: Path, ended: threading.Event) -> int:
    nodes: list[Node] = []
    try:
        for offset, name in enumerate(_NODES):
            settings = load_settings(_flags(name, base_port + offset, data_dir / name))
            if not nodes:
                configure_logging(level=settings.log_level, form=settings.log_format, node_id=None)
            node = Node(settings, ended)
            nodes.append(node)
            node.start()
        garbage.look_seldom()
        ended.wait()
        failures = [node.failure for node in nodes if node.failure is not None]
        if failures:
            raise failures[0]
    except CausalKVError as error:
        sys.stderr.write(f"causalkv: {error}\n")
        return 2 if isinstance(error, ConfigurationError) else 1
    finally:
        for node in nodes:
            node.stop()
    return 0


def _flags(name: str, port: int, data_dir: Path) -> list[str]:
    return [
        *("--node-id", name),
        *("--nodes", ",".join(_NODES)),
        *("--amqp-url", "memory://"),
        *("--http-port", str(port)),
        *("--data-dir", str(data_dir)),
    ]


if __name__ == "__main__":
    sys.exit(main())
