"""Logging: structlog, JSON lines for machines, coloured lines on a terminal.

A node configures it. A program that embeds a replica keeps its own logging: what it configured structlog to, else the
standard library's loggers below ``causalkv``.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger


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


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger; where its lines go is looked up for each of them, as the program may configure logging at any time."""
    return cast("FilteringBoundLogger", _Logger(name, {}))


class _Logger:
    """As structlog's loggers; without a configuration those print everything to stdout, which is the program's."""

    def __init__(self, name: str, context: dict[str, Any]) -> None:
        self._name = name
        self._context = context

    def bind(self, **context: Any) -> _Logger:
        return _Logger(self._name, {**self._context, **context})

    def __getattr__(self, method: str) -> Any:
        if structlog.is_configured():
            return getattr(structlog.get_logger(self._name, **self._context), method)
        standard = structlog.wrap_logger(
            logging.getLogger(self._name),
            processors=[structlog.stdlib.filter_by_level, _as_standard_line],
            wrapper_class=structlog.stdlib.BoundLogger,
            **self._context,
        )
        return getattr(standard, method)


def _as_standard_line(_logger: WrappedLogger, _method: str, event: EventDict) -> tuple[tuple[str, str], dict[str, Any]]:
    """The arguments of the standard library's logging methods."""
    exception = event.pop("exc_info", None)
    what = event.pop("event")
    about = "".join(f" {name}={value}" for name, value in event.items())
    return ("%s", f"{what}{about}"), {"exc_info": exception}
