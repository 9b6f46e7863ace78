"""A broker behind TLS: a node connects when it knows who signed for the broker, and else says why it does not."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from infra.ports import free_port
from tests.support.broker import PrivateBroker
from tests.support.cluster import NodeUnderTest, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.broker

LINK_SECONDS = 30.0
LISTENER = """
listeners.ssl.1        = 127.0.0.1:{port}
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile   = {folder}/broker.pem
ssl_options.keyfile    = {folder}/broker.key
ssl_options.verify     = verify_none
"""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with the authority's certificate (``ca.pem``), and what stands before the host in the broker's address.

    The broker's certificate is for ``localhost`` and for no other name.
    """
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = [*make, "-subj", "/CN=authority of a test", "-keyout", "ca.key", "-out", "ca.pem"]
    signed = [*make, "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=localhost", "-keyout", "broker.key"]
    signed += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
    for command in (authority, [*signed, "-out", "broker.pem"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    broker = PrivateBroker()
    broker.configure("20-tls.conf", LISTENER.format(folder=folder, port=port))
    with broker:
        yield folder, f"amqps://{broker.user}:{broker.password}@HOST:{port}/%2F"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeUnderTest]:
    """One node, not started."""
    one = NodeUnderTest("node1", tmp_path, {"CAUSALKV_NODES": "node1"})
    yield one
    one.kill()
    one.http.close()


def test_a_node_connects_when_it_knows_the_authority(tls: tuple[Path, str], node: NodeUnderTest) -> None:
    """And what it writes comes back confirmed."""
    folder, address = tls
    node.start(CAUSALKV_AMQP_URL=address.replace("HOST", "localhost"), SSL_CERT_FILE=str(folder / "ca.pem"))
    node.wait_ready()
    answer = node.http.post("/put", json={"key": "x", "value": 1, "ack": "broker", "ack_timeout": LINK_SECONDS})
    assert answer.json()["acked"] in ("broker", "all")


@pytest.mark.parametrize(
    ("host", "knows", "reason"),
    [("localhost", False, "certificate verify failed"), ("127.0.0.1", True, "IP address mismatch")],
    ids=["an authority that it does not know", "another name than the certificate's"],
)
def test_a_node_does_not_talk_to_a_broker_that_it_cannot_trust(
    tls: tuple[Path, str], node: NodeUnderTest, host: str, reason: str, *, knows: bool
) -> None:
    """The log says why, without the password."""
    folder, address = tls
    environment = {"SSL_CERT_FILE": str(folder / "ca.pem")} if knows else {}
    node.start(CAUSALKV_AMQP_URL=address.replace("HOST", host), **environment)
    wait_until(
        lambda: node.log_file.exists() and reason in node.log_file.read_text(), reason, LINK_SECONDS, node.log_tail
    )
    node.wait_ready()
    assert node.status()["broker"] == "disconnected"
    assert address.split(":")[2].partition("@")[0] not in node.log_file.read_text()
