"""Putting messages aside that are not what they should be: where operators look, with the reason; the node goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.few_reasons import FewReasons
from node.logs import get_logger

if TYPE_CHECKING:
    from node.acknowledgements import AcknowledgementTracker
    from node.core.effects import Reject
    from node.metrics import NodeMetrics
    from node.transport.port import Transport


class Rejecting:
    """For the replica's thread alone."""

    def __init__(self, transport: Transport, acknowledgements: AcknowledgementTracker, metrics: NodeMetrics) -> None:
        self._transport = transport
        self._acknowledgements = acknowledgements
        self._metrics = metrics
        self._reasons = FewReasons()
        self._log = get_logger("causalkv.replica")

    def reject(self, effect: Reject) -> None:
        """Have the transport put a message aside and settle it."""
        delivery = effect.delivery
        self._metrics.rejected()
        if self._reasons.is_news(effect.reason):
            self._log.warning(
                "a message was put aside as not valid",
                message_id=delivery.message_id,
                sent_by=delivery.user_id,
                reason=effect.reason,
                what_to_do="read it in the broker's queue of rejected messages, and find out who publishes it: a node "
                "of another version, or a program that has no business there",
            )
        self._acknowledgements.leave_to_transport(delivery.connection_epoch, delivery.tag)
        self._transport.reject(delivery, effect.reason)
