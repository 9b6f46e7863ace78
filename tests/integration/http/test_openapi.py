"""The description at /openapi.json, and that what is served is what it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node.errors import StoreCorruptedError, StoreFullError
from tests.integration.http.conftest import ServedNode, serving
from tests.integration.http.json_schema import mistakes, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

JSON = "application/json"
ENDLESS = "text/event-stream"
AHEAD = {"X-Causal-Context": "other~abcd=3", "X-Causal-Wait": "0"}
MALFORMED = {"X-Causal-Context": "?"}
BODIES: dict[str, Any] = {
    "/put": {"key": "x", "value": [1], "ack": "broker", "ack_timeout": 5},
    "/delete": {"key": "x", "ack": "local"},
    "/batch": {"ops": [{"op": "put", "key": "x", "value": 1}, {"op": "incr", "key": "x"}], "ack": "broker"},
    "/mget": {"keys": ["x", "absent"]},
    "/counter/incr": {"key": "x", "by": 2, "ack": "broker"},
    "/set/add": {"key": "x", "members": [1, "a"], "ack": "broker"},
    "/set/remove": {"key": "x", "members": ["b"]},
    "/faults": {"clear": True},
    "/members/remove": {"node": "node3"},
}
DATA_PATHS = {
    "/batch",
    "/mget",
    "/scan",
    "/conflicts",
    "/counter/incr",
    "/counter/get",
    "/set/add",
    "/set/remove",
    "/set/get",
}
NEEDS_A_KEY = {"/get", "/counter/get", "/set/get"}
PATHS = {
    "/",
    "/put",
    "/get",
    "/delete",
    *DATA_PATHS,
    "/status",
    "/buffer",
    "/events",
    "/members",
    "/watch",
    "/members/remove",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/faults",
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    """A node with /faults, small values and no room for waiting requests to speak of."""
    with serving(
        tmp_path_factory.mktemp("faulty"), faults=True, value_max_bytes=1000, waiting_max_requests=1
    ) as served:
        yield served


@pytest.fixture(scope="module")
def document(faulty: ServedNode) -> dict[str, Any]:
    """The description that the node serves."""
    served: dict[str, Any] = faulty.http.get("/openapi.json").json()
    return served


def conforms(answer: httpx.Response, document: dict[str, Any]) -> None:
    """Fail unless an answer is what the description says of its path, method and status."""
    path, method = answer.request.url.path, answer.request.method.lower()
    responses = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, (method, path, answer.status_code, answer.text)
    described = responses[str(answer.status_code)]
    for name, reference in described["headers"].items():
        header = resolve(reference["$ref"], document)
        assert name in answer.headers or not header.get("required"), (method, path, name)
    assert "X-Causal-Context" in described["headers"]
    assert "Retry-After" in described["headers"] or "Retry-After" not in answer.headers, (method, path)
    content_type = answer.headers["Content-Type"].partition(";")[0]
    schema = described["content"][content_type]["schema"]
    body = answer.json() if content_type == JSON else "" if content_type == ENDLESS else answer.text
    assert mistakes(body, schema, document) == [], (method, path, body)


def ask(node: ServedNode, method: str, path: str, **given: Any) -> httpx.Response:
    """A request with the body that belongs to its path, unless another one is given."""
    if method == "post" and not {"json", "content"} & set(given):
        given["json"] = BODIES[path]
    if path in NEEDS_A_KEY and "params" not in given:
        given["params"] = {"key": "x"}
    with node.http.stream(method, path, **given) as answer:
        if answer.headers["Content-Type"] != ENDLESS:
            answer.read()
        return answer


def test_the_description_lists_every_route(document: dict[str, Any]) -> None:
    """No more and no less than what exists, in OpenAPI 3.1."""
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == PATHS
    assert set(document["paths"]["/faults"]) == {"get", "post"}


def test_every_reference_in_the_description_leads_somewhere(document: dict[str, Any]) -> None:
    """And every component is used."""
    used: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for name, value in part.items():
                if name == "$ref":
                    resolve(value, document)
                    used.add(value)
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(document)
    described = {f"#/components/{kind}/{name}" for kind, parts in document["components"].items() for name in parts}
    assert used == described


def test_every_success_is_as_described(faulty: ServedNode, document: dict[str, Any]) -> None:
    """Each route, with a request that it takes."""
    faulty.put("x", {"a": None}).raise_for_status()
    for path, methods in document["paths"].items():
        for method in methods:
            answer = ask(faulty, method, path)
            assert answer.status_code == 200, (method, path)
            conforms(answer, document)
            faulty.put("x", 1)
    conforms(faulty.get("x", siblings="true"), document)
    assert "siblings" in faulty.get("x", siblings="true").json()


def test_every_route_refuses_a_malformed_token_as_described(faulty: ServedNode, document: dict[str, Any]) -> None:
    """400 stands on every route."""
    for path, methods in document["paths"].items():
        for method in methods:
            answer = ask(faulty, method, path, headers=MALFORMED)
            assert answer.status_code == 400, (method, path)
            conforms(answer, document)


def test_every_route_with_a_body_refuses_what_is_none_as_described(
    faulty: ServedNode, document: dict[str, Any]
) -> None:
    """400, 413 and 415."""
    for path in BODIES:
        for content, headers, status in [
            (b"{", {"Content-Type": JSON}, 400),
            (b"x" * 500_000, {"Content-Type": JSON}, 413),
            (b"{}", {"Content-Type": "text/plain"}, 415),
        ]:
            answer = ask(faulty, "post", path, content=content, headers=headers)
            assert answer.status_code == status, path
            conforms(answer, document)
    conforms(faulty.put("x", "v" * 1000), document)


def test_an_answer_that_would_be_too_large_is_as_described(
    faulty: ServedNode, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """413 of a read of many keys."""
    monkeypatch.setattr("node.reading.ANSWER_MAX_BYTES", 10)
    faulty.put("x", "v" * 100).raise_for_status()
    answer = ask(faulty, "post", "/mget")
    assert answer.status_code == 413
    conforms(answer, document)


def test_preconditions_and_ends_are_as_described(faulty: ServedNode, document: dict[str, Any]) -> None:
    """409 with a version and without one; a value with a ttl."""
    faulty.post("/put", key="x", value=1, ttl=1000).raise_for_status()
    conforms(faulty.get("x"), document)
    assert faulty.get("x").json()["ttl"] > 0
    bodies: dict[str, dict[str, Any]] = {"/put": {"value": 1}, "/delete": {}}
    for path, body in bodies.items():
        for key in ("x", "absent"):
            refused = faulty.post(path, key=key, if_vc=[10**6], **body)
            assert refused.status_code == 409
            conforms(refused, document)


def test_pages_are_as_described(faulty: ServedNode, document: dict[str, Any]) -> None:
    """With a next one, and without."""
    for n in range(3):
        faulty.put(f"page{n}", n).raise_for_status()
    faulty.post("/set/add", key="page", members=[1, {"a": None}, "m"]).raise_for_status()
    for limit in (1, 100):
        for answer in (faulty.read("/scan", limit=limit), faulty.read("/set/get", key="page", limit=limit)):
            assert (answer.json()["next"] is not None) is (limit == 1)
            conforms(answer, document)


def test_what_a_node_cannot_do_is_as_described(
    faulty: ServedNode, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """404, 429, 503 and 507 of the routes on keys."""
    assert faulty.get("absent").status_code == 404
    removal = faulty.http.post("/members/remove", json={"node": "node1"})
    assert removal.status_code == 400
    conforms(removal, document)
    conforms(faulty.get("absent"), document)
    data_routes = [
        (method, path)
        for path in ("/put", "/get", "/delete", "/watch", *DATA_PATHS)
        for method in document["paths"][path]
    ]
    assert len(data_routes) == 13
    for method, path in data_routes:
        answer = ask(faulty, method, path, headers=AHEAD)
        assert answer.status_code == 503
        assert "missing" in answer.json()
        conforms(answer, document)
        with monkeypatch.context() as patched:
            patched.setattr(faulty.node.service._waiting_room, "_max_requests", 0)
            refused = ask(faulty, method, path, headers={"X-Causal-Context": "other~abcd=3"})
            assert refused.status_code == 429
            conforms(refused, document)
        for error, status in [
            (StoreFullError("full"), 507),
            (StoreCorruptedError("broken"), 503),
            (KeyError("?"), 503),
        ]:
            if status == 507 and "507" not in document["paths"][path][method]["responses"]:
                continue
            with monkeypatch.context() as patched:
                patched.setattr(faulty.node.service, "wait_for", _raising(error))
                patched.setattr(faulty.node.service, "submit", _raising(error))
                patched.setattr(faulty.node.service.reading, "_wait_for", _raising(error))
                answer = ask(faulty, method, path)
                assert answer.status_code == status
                conforms(answer, document)


def _raising(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def test_events_are_described_as_a_page_and_as_a_stream(
    faulty: ServedNode, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two content types of one status; too many streams are 503."""
    faulty.put("x", 1).raise_for_status()
    for accept, content_type in ((JSON, JSON), (ENDLESS, ENDLESS)):
        answer = ask(faulty, "get", "/events", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == content_type
        conforms(answer, document)
    monkeypatch.setattr(faulty.node._event_hub._stream_places, "_maximum", 0)
    refused = ask(faulty, "get", "/events", headers={"Accept": ENDLESS})
    assert refused.status_code == 503
    conforms(refused, document)


def test_a_node_that_is_not_ready_says_so_as_described(
    faulty: ServedNode, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with the reason, and alive all the same."""
    monkeypatch.setattr(faulty.node.service, "_stopping", True)
    answer = faulty.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "error": "this node is stopping"}
    conforms(answer, document)
    assert faulty.http.get("/healthz").json() == {"alive": True}


def test_faults_that_are_off_are_404_as_described(tmp_path: Path, document: dict[str, Any]) -> None:
    """The error says how to turn them on."""
    with serving(tmp_path) as node:
        for answer in (node.http.get("/faults"), node.http.post("/faults", json={"clear": True})):
            assert answer.status_code == 404
            assert "CAUSALKV_FAULTS=1" in answer.json()["error"]
            conforms(answer, document)


def test_a_value_that_conforms_to_nothing_is_found() -> None:
    """The check itself can fail."""
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}, "required": ["b"]}
    assert mistakes({"a": [1, "2"], "b": 1}, schema, {}) == ["$.a[1] is not of type integer"]
    assert mistakes({"a": []}, schema, {}) == ["$.b is missing"]
    assert mistakes([], schema, {})[0] == "$ is not of type object"
