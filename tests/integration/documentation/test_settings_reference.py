"""docs/settings.md against the program: every setting with its default and bounds, and no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from annotated_types import Ge, Gt, Le
from pydantic_core import PydanticUndefined

from client.invocation import PROXY_VARIABLE
from client.nodes import URLS_VARIABLE
from client.session_file import STATE_DIRECTORY_VARIABLE
from node.settings import ENVIRONMENT_PREFIX, Settings
from tests.integration.documentation.markdown import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "settings.md"
NONE = "\N{EN DASH}"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    part = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def default_of(value: Any) -> str:
    """As one would write it into the environment."""
    match value:
        case None | ():
            return NONE
        case tuple():
            return f"`{','.join(value)}`"
        case bool():
            return f"`{int(value)}`"
        case float():
            return f"`{value:g}`"
    return "must be set" if value is PydanticUndefined else f"`{value}`"


def bounds_of(kind: Any, metadata: list[Any]) -> str:
    """What values may be, where that is numbers or words."""
    words = [str(word) for word in get_args(kind) if isinstance(word, str)]
    parts = ", ".join(f"`{word}`" for word in words)
    for bound in metadata:
        match bound:
            case Ge(ge=least):
                parts += f"from {least}"
            case Gt(gt=least):
                parts += f"more than {least}"
            case Le(le=most):
                parts += f"{' ' if parts else ''}to {most}"
    return parts or NONE


def test_every_setting_of_a_node_is_there_with_its_default_its_bounds_and_its_own_words() -> None:
    """In the order of ``--help``."""
    settings = Settings.model_fields
    expected = [
        [
            f"`{ENVIRONMENT_PREFIX}{name.upper()}`",
            default_of(field.default),
            bounds_of(field.annotation, field.metadata),
            str(field.description).replace("<", "\\<"),
        ]
        for name, field in settings.items()
    ]
    assert rows("A node") == expected


def test_every_variable_that_the_client_reads_is_there() -> None:
    """Those of its own, of the system, and of TLS."""
    named = [row[0].strip("`") for row in rows("The client")]
    assert named == [URLS_VARIABLE, STATE_DIRECTORY_VARIABLE, "XDG_STATE_HOME", PROXY_VARIABLE, "SSL_CERT_FILE"]


def test_no_page_names_a_setting_of_a_node_that_there_is_not() -> None:
    """But for those of the client, of Docker Compose, and of experiments."""
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields}
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    others = {URLS_VARIABLE, STATE_DIRECTORY_VARIABLE, PROXY_VARIABLE}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for name in _variables(page):
            is_known = name in known | others or name in compose or name.startswith("CAUSALKV_UNSAFE_")
            assert is_known, f"{page.name}: nobody reads {name}"


def _variables(page: Path) -> set[str]:
    return set(re.findall(r"\bCAUSALKV_[A-Z0-9_]+", page.read_text(encoding="utf-8")))
