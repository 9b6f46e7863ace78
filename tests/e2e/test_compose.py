"""docker-compose.yml for real: images are built, containers started, killed, cut off and started again."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.compose_cluster import NODES, docker, eventually
from tests.support.cluster import wait_until
from tests.support.founding_transcript import founding_transcript

if TYPE_CHECKING:
    from tests.e2e.compose_cluster import ComposeCluster

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1200)]

BROKER_LOGIN = ("guest", "guest")


def put(cluster: ComposeCluster, node: str, key: str, value: object) -> httpx.Response:
    """Write, and return the answer."""
    answer = cluster.http.post(f"{cluster.url(node)}/put", json={"key": key, "value": value})
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer


def read(cluster: ComposeCluster, node: str, key: str) -> object:
    """The value that a node shows, None when it shows none."""
    try:
        answer = cluster.http.get(f"{cluster.url(node)}/get", params={"key": key})
    except httpx.HTTPError:
        return None
    return answer.json()["value"] if answer.status_code == httpx.codes.OK else None


def shown_by(cluster: ComposeCluster, node: str, key: str, value: object, timeout_seconds: float = 60.0) -> None:
    """Wait until a node shows this value."""
    eventually(lambda: read(cluster, node, key) == value, f"{key} at {node}", timeout_seconds)


def fresh_key() -> str:
    """A key that no other test uses."""
    return f"k{uuid4().hex[:10]}"


def test_the_founding_scenario_counts_on_from_run_to_run_and_across_a_restart_of_everything(
    cluster: ComposeCluster,
) -> None:
    """The transcript is the same from the host and from a container, and goes on after `down` and `up`."""
    if any(sum(cluster.status(node)["vc"]) for node in NODES):
        cluster.run("down", "--volumes")
        cluster.up()

    assert cluster.client("demo") == founding_transcript(1)
    assert cluster.run("run", "--rm", "--no-TTY", "client", "demo") == founding_transcript(2)

    identities = {node: cluster.status(node)["incarnation"] for node in NODES}
    cluster.down()
    cluster.up()

    assert {node: cluster.status(node)["incarnation"] for node in NODES} == identities
    assert cluster.client("demo") == founding_transcript(3)


@pytest.mark.parametrize("scenario", ["held", "partition"])
def test_a_lesson_plays_from_a_container(cluster: ComposeCluster, scenario: str) -> None:
    """As docs/lessons.md says, on nodes that allow faults."""
    told = cluster.run("run", "--rm", "--no-TTY", "client", "demo", "--scenario", scenario)
    assert told.startswith(f"{scenario}: ")
    assert told.count("(all equal)") == 1


def test_every_node_serves_the_dashboard_which_may_ask_the_others(cluster: ComposeCluster) -> None:
    """Its files are in the image, and nodes answer pages at the addresses that are published."""
    for node in NODES:
        page = cluster.http.get(f"{cluster.url(node)}/")
        assert page.status_code == httpx.codes.OK
        assert cluster.http.get(f"{cluster.url(node)}/dashboard/app.js").status_code == httpx.codes.OK
        for other in NODES:
            assert cluster.url(other) in page.headers["Content-Security-Policy"]
            answer = cluster.http.get(f"{cluster.url(node)}/status", headers={"Origin": cluster.url(other)})
            assert answer.headers["Access-Control-Allow-Origin"] == cluster.url(other)


def test_every_container_is_healthy_and_every_node_sees_the_broker(cluster: ComposeCluster) -> None:
    """`up --wait` returns when the cluster can be used."""
    for service in ("rabbitmq", *NODES):
        assert cluster.inspect(service)["State"]["Health"]["Status"] == "healthy", service
    for node in NODES:
        status = cluster.status(node)
        assert (status["node"], status["ready"], status["broker"]) == (node, True, "connected")


def test_ports_are_published_on_the_loopback_address_only(cluster: ComposeCluster) -> None:
    """What is not protected by a password of its own is not reachable from other machines."""
    for service in ("rabbitmq", *NODES):
        bound = [b for list_ in cluster.inspect(service)["NetworkSettings"]["Ports"].values() for b in list_ or []]
        assert bound
        assert {entry["HostIp"] for entry in bound} == {"127.0.0.1"}, service


def test_nodes_run_without_privileges_on_a_read_only_system(cluster: ComposeCluster) -> None:
    """A node that is taken over can change nothing but its own data."""
    for node in NODES:
        known = cluster.inspect(node)
        assert known["HostConfig"]["ReadonlyRootfs"] is True
        assert known["HostConfig"]["CapDrop"] == ["ALL"]
        assert cluster.run("exec", "--no-TTY", node, "id", "-u").strip() == "10001"
        owner = cluster.run("exec", "--no-TTY", node, "stat", "--format", "%U %a", "/data").strip()
        assert owner == "causalkv 700"
        # Process 1 is the node itself, so that it gets SIGTERM.
        assert cluster.run("exec", "--no-TTY", node, "cat", "/proc/1/comm").strip().startswith("python")


def test_the_image_holds_nothing_that_only_tests_need(cluster: ComposeCluster) -> None:
    """requirements.txt is cut at its marker."""
    for module, is_there in (("flask", True), ("pytest", False), ("mypy", False), ("tests", False)):
        probe = f"import importlib.util as u; print(u.find_spec({module!r}) is not None)"
        assert cluster.run("exec", "--no-TTY", "node1", "python", "-c", probe).strip() == str(is_there), module


def test_a_message_can_be_read_in_the_management_ui(cluster: ComposeCluster) -> None:
    """An operator finds the exchange, the queues, and in a message the key, the value and the vector clock."""
    key = fresh_key()
    with httpx.Client(base_url=f"{cluster.url('management')}/api", auth=BROKER_LOGIN, trust_env=False) as api:
        exchange = api.get("/exchanges/%2F/causalkv.writes").json()
        assert (exchange["type"], exchange["durable"]) == ("fanout", True)
        queues = {queue["name"] for queue in api.get("/queues/%2F").json()}
        assert queues >= {"causalkv.node1", "causalkv.node2", "causalkv.node3", "causalkv.rejected"}

        # A queue of the test's own sees what every node's queue sees.
        probe = f"probe-{uuid4().hex[:8]}"
        api.put(f"/queues/%2F/{probe}", json={"durable": True})
        api.post(f"/bindings/%2F/e/causalkv.writes/q/{probe}", json={})
        try:
            put(cluster, "node1", key, "readable")
            seen: list[dict[str, Any]] = []

            def fetched() -> bool:
                wanted = {"count": 50, "ackmode": "ack_requeue_false", "encoding": "auto"}
                seen.extend(api.post(f"/queues/%2F/{probe}/get", json=wanted).json())
                return any(key in message["payload"] for message in seen)

            eventually(fetched, "the message in the probe's queue")
        finally:
            api.delete(f"/queues/%2F/{probe}")
    message = next(message for message in seen if key in message["payload"])
    assert message["payload_encoding"] == "string"
    assert '"readable"' in message["payload"]
    properties = message["properties"]
    assert properties["content_type"] == "application/json"
    assert properties["delivery_mode"] == 2
    assert properties["app_id"] == "causalkv"
    assert properties["message_id"].startswith("node1~")


def test_the_logs_tell_the_story_of_a_write_in_one_line_per_step(cluster: ComposeCluster) -> None:
    """Accepted and published at its own node; delivered, held for a named cause, and applied elsewhere."""
    cause, effect = fresh_key(), fresh_key()
    delay = cluster.http.post(f"{cluster.url('node3')}/faults", json={"delay": {"node1": 60.0}})
    assert delay.status_code == httpx.codes.OK, delay.text
    try:
        put(cluster, "node1", cause, "first")
        shown_by(cluster, "node2", cause, "first")
        put(cluster, "node2", effect, "second")
        wait_until(
            lambda: cluster.http.get(f"{cluster.url('node3')}/status").json()["held"] == 1,
            "it is held",
            30.0,
        )
    finally:
        cluster.http.post(f"{cluster.url('node3')}/faults", json={"clear": True})
    shown_by(cluster, "node3", effect, "second")

    def steps(node: str, key: str) -> list[str]:
        lines = [line for line in cluster.log_lines(node) if key in line]
        return [step for line in lines for step in ("accepted", "delivered", "held", "applied") if f'"{step}"' in line]

    assert steps("node1", cause) == ["accepted"]
    assert steps("node2", cause) == ["delivered", "applied"]
    assert steps("node2", effect) == ["accepted"]
    assert steps("node3", effect) == ["delivered", "held", "applied"]
    assert any('"published"' in line for line in cluster.log_lines("node1"))
    held = next(line for line in cluster.log_lines("node3") if effect in line and '"held"' in line)
    assert "node1~" in held  # the cause that it waits for


def test_a_node_whose_process_dies_comes_back_by_itself_with_its_data(cluster: ComposeCluster) -> None:
    """The restart policy covers a crash."""
    key = fresh_key()
    put(cluster, "node2", key, "kept")
    incarnation = cluster.status("node2")["incarnation"]
    before = cluster.inspect("node2")
    try:
        os.kill(before["State"]["Pid"], signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pytest.skip("NOT TESTED: this user may not kill a container's process from outside")

    eventually(lambda: cluster.inspect("node2")["RestartCount"] > before["RestartCount"], "a restart by Docker")
    eventually(lambda: cluster.is_ready("node2"), "node2 ready again")
    assert read(cluster, "node2", key) == "kept"
    assert cluster.status("node2")["incarnation"] == incarnation


def test_a_killed_node_catches_up_with_what_was_written_meanwhile(cluster: ComposeCluster) -> None:
    """Its queue keeps what the others wrote until `docker compose up -d` brings it back."""
    before, meanwhile = fresh_key(), fresh_key()
    put(cluster, "node3", before, 1)
    docker("kill", "--signal", "KILL", cluster.container("node3"))
    put(cluster, "node1", meanwhile, 2)

    cluster.run("up", "--detach", "--wait", "node3")

    shown_by(cluster, "node3", meanwhile, 2)
    assert read(cluster, "node3", before) == 1


def test_a_node_that_is_cut_off_serves_on_and_delivers_its_writes_afterwards(cluster: ComposeCluster) -> None:
    """Without the replication network a node's HTTP port still answers, and nothing acknowledged is lost."""
    network, container = f"{cluster.project}_replication", cluster.container("node1")
    key, meanwhile = fresh_key(), fresh_key()
    docker("network", "disconnect", network, container)
    try:
        put(cluster, "node1", key, "written alone")
        put(cluster, "node2", meanwhile, "written by the others")
        eventually(lambda: cluster.status("node1")["broker"] == "disconnected", "node1 notices that it is alone")
        assert read(cluster, "node1", key) == "written alone"
        shown_by(cluster, "node3", meanwhile, "written by the others")
        assert read(cluster, "node3", key) is None
        assert read(cluster, "node1", meanwhile) is None
    finally:
        docker("network", "connect", "--alias", "node1", network, container)

    for node in NODES:
        for written, value in ((key, "written alone"), (meanwhile, "written by the others")):
            shown_by(cluster, node, written, value, 120)


def test_a_broker_that_serves_nobody_is_not_taken_for_ready(cluster: ComposeCluster) -> None:
    """Its process runs, and its container would look healthy; nodes go on by themselves until it serves again."""
    check = ("exec", "--no-TTY", "rabbitmq", "bash", "-c", "bash /etc/causalkv/is-ready 2>/dev/null; echo $?")
    assert cluster.run(*check).strip() == "0"
    # It was asked every few seconds by now, from inside of its container.
    assert not [line for line in cluster.log_lines("rabbitmq") if "-> 127.0.0.1:5672" in line], "asking fills the log"
    cluster.run("exec", "--no-TTY", "rabbitmq", "rabbitmqctl", "--quiet", "stop_app")
    try:
        assert cluster.run(*check).strip() == "1"
    finally:
        cluster.run("exec", "--no-TTY", "rabbitmq", "rabbitmqctl", "--quiet", "start_app")
    assert cluster.run(*check).strip() == "0"
    for node in NODES:
        eventually(lambda node=node: cluster.status(node)["broker"] == "connected", f"{node} is connected again")  # type: ignore[misc]  # bound at once


def test_a_broker_that_is_killed_comes_back_with_every_queue(cluster: ComposeCluster) -> None:
    """Nodes take writes meanwhile, connect again by themselves, and deliver them."""
    key = fresh_key()
    docker("kill", "--signal", "KILL", cluster.container("rabbitmq"))
    put(cluster, "node1", key, "without a broker")
    assert read(cluster, "node2", key) is None

    cluster.run("up", "--detach", "--wait", "rabbitmq")

    for node in NODES:
        shown_by(cluster, node, key, "without a broker", 90)


def test_the_session_of_the_client_container_goes_on_from_one_invocation_to_the_next(cluster: ComposeCluster) -> None:
    """What one `docker compose run` wrote at node1, the next one reads at node3."""
    key = fresh_key()
    run = ("run", "--rm", "--no-TTY", "client")
    cluster.run(*run, "--node", "node1", "put", key, "from a container")
    assert "from a container" in cluster.run(*run, "--node", "node3", "get", key)
