"""Logging: structlog, JSON lines for machines, coloured lines on a terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger


class _Stderr:
    """Where log lines go; a line that cannot be written (a full disk, a closed pipe) is lost and stops nobody."""

    def write(self, text: str) -> None:
        """See TextIO."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """See TextIO."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def configure_logging(*, level: str, form: str, node_id: str | None) -> None:
    """Send the log of this process to stderr.

    ``form`` is json, console, or auto (console on a terminal, else json). ``node_id`` stands in every line; None where
    several nodes share the process.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())

    def add_node(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if node_id is not None:
            event.setdefault("node", node_id)
        return event

    def order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """What every line has stands first, so that lines can be read one under the other."""
        first = {name: event.pop(name) for name in ("timestamp", "level", "node", "event") if name in event}
        return {**first, **event}

    renderer: Processor = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            add_node,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            order,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; only what they find worth a warning is of use to an operator.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # the link says the same, once and with what to do
