"""Guarantees that can be switched off for experiments."""

from __future__ import annotations

import pytest

from node.core.unsafe_delivery import FifoDelivery
from node.errors import ConfigurationError
from node.settings import Settings
from node.unsafe import DELIVERY_VARIABLE, SAFE, TOKENS_VARIABLE, Unsafe


def test_nothing_is_switched_off_unless_asked_for() -> None:
    """An environment without the variables, or with what they stand for anyway, is safe."""
    assert Unsafe.from_environment({}) == SAFE
    assert Unsafe.from_environment({DELIVERY_VARIABLE: "causal", TOKENS_VARIABLE: "heeded"}) == SAFE
    assert SAFE.names == []


def test_each_variable_switches_one_thing_off_and_says_so() -> None:
    """What is off is what the log and the status name."""
    unsafe = Unsafe.from_environment({DELIVERY_VARIABLE: "fifo"})
    assert (unsafe.delivery, unsafe.ignores_tokens) == (FifoDelivery, False)
    assert unsafe.names == ["causal delivery is off"]
    unsafe = Unsafe.from_environment({TOKENS_VARIABLE: "ignored"})
    assert (unsafe.delivery, unsafe.ignores_tokens) == (SAFE.delivery, True)
    assert unsafe.names == ["causal tokens are ignored"]


@pytest.mark.parametrize("variable", [DELIVERY_VARIABLE, TOKENS_VARIABLE])
def test_a_wrong_value_is_one_line_that_names_the_variable(variable: str) -> None:
    """A typing error must not make a node unsafe, nor leave an experiment safe in silence."""
    with pytest.raises(ConfigurationError, match=f"{variable}: use .* or .*got 'off'"):
        Unsafe.from_environment({variable: "off"})


def test_the_table_of_settings_does_not_know_them() -> None:
    """Nobody comes across them by chance."""
    assert not [name for name in Settings.model_fields if "unsafe" in name]
