"""The description of the HTTP surface (OpenAPI 3.1), made from the routes and structs that serve it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from node.http.answers import JSON
from node.http.causal_context import (
    CONTEXT_HEADER,
    ENTRIES_MAX,
    TOKEN_PATTERN,
    WAIT_DEFAULT_SECONDS,
    WAIT_HEADER,
    WAIT_MAX_SECONDS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.http.routes import Documented, Route

API_VERSION = "1"

_ABOUT = (
    "A causally consistent key-value store. Every answer carries the causal token in X-Causal-Context; a client that "
    "sends it with its next request, to any node, sees its own writes and never goes back in time. "
    "A path that is neither listed nor a file of the dashboard answers 404, a method that is not listed 405 with "
    "Allow, a request that is not HTTP/1.1 400, too large a head 431, a request that does not arrive in time 408: "
    'all with {"error": …}.'
)
_REFERENCE = "#/components/schemas/{name}"
_CONTEXT_HEADER_REFERENCE = "#/components/headers/CausalContext"
_RETRY_HEADER_REFERENCE = "#/components/headers/RetryAfter"
_CONTEXT_PARAMETER_REFERENCE = "#/components/parameters/CausalContext"
_WAIT_PARAMETER_REFERENCE = "#/components/parameters/CausalWait"


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document for ``routes``, ready to be encoded."""
    kinds = {kind: None for route in routes for kind in _kinds(route)}
    schemas, components = msgspec.json.schema_components(list(kinds), ref_template=_REFERENCE)
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "causalkv", "version": API_VERSION, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": components, "parameters": _parameters(), "headers": _headers()},
    }


def _kinds(route: Route) -> Iterable[type]:
    if route.body is not None:
        yield route.body
    for documented in route.answers:
        yield from documented.kinds


def _operation(route: Route, schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": parameter.name,
            "in": place,
            "description": parameter.description,
            "required": parameter.required,
            "schema": parameter.schema,
        }
        for place, taken in (("query", route.query or ()), ("header", route.headers))
        for parameter in taken
    ]
    parameters.append({"$ref": _CONTEXT_PARAMETER_REFERENCE})
    if route.waits:
        parameters.append({"$ref": _WAIT_PARAMETER_REFERENCE})
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{_name(route.path)}",
        "summary": route.summary,
        "parameters": parameters,
        "responses": _responses(route, schema_of),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[route.body]}}}
    return operation


def _name(path: str) -> str:
    return path.strip("/").replace(".", "_").replace("/", "_") or "root"


def _responses(route: Route, schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    """The answers by status; one status may have several, which differ in their content type."""
    responses: dict[str, dict[str, Any]] = {}
    for documented in route.answers:
        response = _response(documented, schema_of)
        known = responses.setdefault(str(documented.status), response)
        if known is not response:
            known["description"] += f"; or {documented.description}"
            known["content"] |= response["content"]
    return responses


def _response(documented: Documented, schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    headers = {CONTEXT_HEADER: {"$ref": _CONTEXT_HEADER_REFERENCE}}
    if documented.retry_after:
        headers["Retry-After"] = {"$ref": _RETRY_HEADER_REFERENCE}
    schemas = [schema_of[kind] for kind in documented.kinds]
    if not schemas:
        schema: dict[str, Any] = {"type": "string"} if documented.content_type != JSON else {"type": "object"}
    else:
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {
        "description": f"{HTTPStatus(documented.status).phrase}: {documented.description}",
        "headers": headers,
        "content": {documented.content_type: {"schema": schema}},
    }


def _parameters() -> dict[str, Any]:
    return {
        "CausalContext": {
            "name": CONTEXT_HEADER,
            "in": "header",
            "description": f"what the client has seen: the token of an earlier answer, at most {ENTRIES_MAX} entries. "
            "each replica once. Malformed: 400.",
            "schema": {"type": "string", "pattern": TOKEN_PATTERN},
            "example": "node1~t5k2m1=3,node2~t5k2m4=1",
        },
        "CausalWait": {
            "name": WAIT_HEADER,
            "in": "header",
            "description": "seconds to wait at most for the context; 0 does not wait",
            "schema": {"type": "number", "minimum": 0, "maximum": WAIT_MAX_SECONDS, "default": WAIT_DEFAULT_SECONDS},
        },
    }


def _headers() -> dict[str, Any]:
    return {
        "CausalContext": {
            "required": True,
            "description": "the request's token merged with what the answer shows; on errors the request's token, "
            "and empty when that cannot be read. Empty means nothing seen.",
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "seconds after which the same request may be sent again. Absent from a 503 after which a "
            "write may have taken effect: read before writing again.",
            "schema": {"type": "integer"},
        },
    }
