from __future__ import annotations

from node.core.write import Delete
from tests.unit.core.builders import put, write


def test_a_write_names_each_of_its_keys_once_in_order() -> None:
    """What the causal buffer shows of it."""
    assert write("a:1", put("y", "1"), Delete("x"), put("y", "2")).keys == ("y", "x")


def test_a_write_is_not_encoded_until_the_shell_does_it() -> None:
    """The core never reads the encoded form."""
    assert write("a:1", put("x", "1")).encoded == b""
