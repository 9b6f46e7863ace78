"""The gate before each attempt to connect."""

from __future__ import annotations

import threading

from node.transport.gate import Gate

TIMEOUT_SECONDS = 10.0


def waiting_at(gate: Gate) -> threading.Thread:
    """Somebody who waits at the gate."""
    thread = threading.Thread(target=gate.wait, daemon=True)
    thread.start()
    return thread


def test_an_open_gate_stops_nobody() -> None:
    """As it is at first, and after it was opened again."""
    gate = Gate()
    for _ in range(2):
        assert not gate.is_closed
        assert not gate.shut.is_set()
        gate.wait()
        gate.close()
        assert gate.is_closed
        assert gate.shut.is_set()
        gate.open()


def test_who_waits_at_a_closed_gate_goes_on_when_it_opens() -> None:
    """And not before."""
    gate = Gate()
    gate.close()
    thread = waiting_at(gate)
    thread.join(0.05)
    assert thread.is_alive()
    gate.open()
    thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()


def test_a_gate_that_has_ended_keeps_nobody_waiting_and_lets_nobody_connect() -> None:
    """Closing and opening it changes nothing any more."""
    gate = Gate()
    gate.close()
    thread = waiting_at(gate)
    gate.end()
    thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()
    gate.close()
    gate.wait()
    gate.open()
    assert gate.shut.is_set()
    assert not gate.is_closed
