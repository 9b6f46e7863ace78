"""Guarantees that can be switched off, to see whether their absence is noticed: ``python -m client check`` must.

Deliberately no settings: nobody should come across them in ``--help``. A node that runs so says it in its log at every
start, and in ``/status``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from node.core.delivery import CausalDelivery
from node.core.unsafe_delivery import FifoDelivery
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

DELIVERY_VARIABLE = "CAUSALKV_UNSAFE_DELIVERY"
TOKENS_VARIABLE = "CAUSALKV_UNSAFE_TOKENS"

_DELIVERIES: Mapping[str, type[CausalDelivery]] = {"causal": CausalDelivery, "fifo": FifoDelivery}
_TOKENS: Mapping[str, bool] = {"heeded": False, "ignored": True}


class Unsafe(NamedTuple):
    """What is switched off: causal delivery (writes are applied as they arrive), waiting for causal tokens."""

    delivery: type[CausalDelivery] = CausalDelivery
    ignores_tokens: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Unsafe:
        """What the hidden variables say; raises ConfigurationError when one is malformed."""
        delivery, tokens = environment.get(DELIVERY_VARIABLE, "causal"), environment.get(TOKENS_VARIABLE, "heeded")
        for variable, given, known in ((DELIVERY_VARIABLE, delivery, _DELIVERIES), (TOKENS_VARIABLE, tokens, _TOKENS)):
            if given not in known:
                raise ConfigurationError(f"{variable}: use {' or '.join(known)} (got {given[:80]!r})")
        return cls(_DELIVERIES[delivery], _TOKENS[tokens])

    @property
    def names(self) -> list[str]:
        """What is switched off, for people; empty in every node that anybody relies on."""
        delivery = ["causal delivery is off"] if self.delivery is not CausalDelivery else []
        return delivery + (["causal tokens are ignored"] if self.ignores_tokens else [])


SAFE = Unsafe()
