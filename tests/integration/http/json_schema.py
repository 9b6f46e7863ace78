"""The part of JSON Schema that the description of the API uses; an unknown keyword fails, so that none is skipped."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_WORDS = {"title", "description", "examples", "default", "format"}


def mistakes(value: Any, schema: dict[str, Any], document: dict[str, Any], place: str = "$") -> list[str]:
    """How ``value`` differs from ``schema``; empty when it conforms."""
    found: list[str] = []
    for keyword, rule in schema.items():
        found += _check(keyword, rule, value, document, place, schema)
    return found


def _check(  # noqa: C901, PLR0911, PLR0917  # one line for each keyword
    keyword: str, rule: Any, value: Any, document: dict[str, Any], place: str, schema: dict[str, Any]
) -> list[str]:
    match keyword:
        case "$ref":
            return mistakes(value, resolve(rule, document), document, place)
        case "type":
            wrong = not isinstance(value, _TYPES[rule]) or (rule in ("integer", "number") and isinstance(value, bool))
            return [f"{place} is not of type {rule}"] if wrong else []
        case "anyOf":
            return [] if any(not mistakes(value, each, document) for each in rule) else [f"{place} is none of anyOf"]
        case "enum":
            return [] if value in rule else [f"{place} is none of {rule}"]
        case "pattern":
            return [] if re.search(rule, value) else [f"{place} is not as {rule}"]
        case "minimum":
            return [] if value >= rule else [f"{place} is below {rule}"]
        case "required":
            return [f"{place}.{name} is missing" for name in rule if name not in value]
        case "items":
            return [m for n, item in enumerate(value) for m in mistakes(item, rule, document, f"{place}[{n}]")]
        case "properties":
            named = [(name, each) for name, each in rule.items() if name in value]
            return [m for name, each in named for m in mistakes(value[name], each, document, f"{place}.{name}")]
        case "additionalProperties":
            others = [name for name in value if name not in schema.get("properties", {})]
            if rule is False:
                return [f"{place}.{name} is not described" for name in others]
            return [m for name in others for m in mistakes(value[name], rule, document, f"{place}.{name}")]
        case _:
            return [] if keyword in _WORDS else [f"{place}: the keyword {keyword} is not known to this test"]


def resolve(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    """What a reference within the document points to."""
    assert reference.startswith("#/")
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found
