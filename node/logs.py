"""Logging: structlog, JSON lines for machines, coloured lines on a terminal.

A node configures it. A program that embeds a replica keeps its own logging: what it configured structlog to, else the
standard library's loggers below ``causalkv``.

Every line from warning on says in ``what_to_do`` what its reader can do, and a test holds that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

REPORT_IT = "report it, with this line: it is a fault of this program, and none of yours"
"""What to do about what should not be possible."""

_FIRST = ("timestamp", "level", "node", "event")
_LAST = ("what_to_do", "exception")
_node: ContextVar[str | None] = ContextVar("node", default=None)


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


def speak_for(node_id: str) -> None:
    """Whatever this thread logs from now on is about that node, where several nodes share the process."""
    _node.set(node_id)


def configure_logging(*, level: str, form: str, node_id: str | None) -> None:
    """Send the log of this process to stderr.

    ``form`` is json, console, or auto (console on a terminal, else json). ``node_id`` stands in every line; None where
    several nodes share the process.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())

    def add_node(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        node = node_id or _node.get()
        if node is not None:
            event.setdefault("node", node)
        return event

    begin: list[Processor] = [
        add_node,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    end: list[Processor] = [structlog.processors.format_exc_info, _in_order]
    end.append(_for_people() if console else structlog.processors.JSONRenderer())
    stderr = cast("TextIO", _Stderr())
    structlog.configure(
        processors=[*begin, *end],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; only what they find worth a warning is of use to an operator.
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*begin, _from_a_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *end],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(capture=True)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # the link says the same, once and with what to do
    threading.excepthook = _log_end_of_thread


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What every line has stands first, so that lines can be read one under the other; what to do about it, last."""
    first = {name: event.pop(name) for name in _FIRST if name in event}
    last = {name: event.pop(name) for name in _LAST if name in event}
    return {**first, **event, **last}


def _for_people() -> Processor:
    """Renders a line for a terminal, with what to do on a line of its own."""
    in_colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    # What is told of an exception must not hold the values of variables: there may be secrets among them.
    console = structlog.dev.ConsoleRenderer(
        colors=in_colours, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        advice = event.pop("what_to_do", None)
        line = console(logger, method, event)
        return line if advice is None else f"{line}\n    -> {advice}"

    return render


def _from_a_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["library"] = event["_record"].name
    event.setdefault("what_to_do", "see what that library means; report it when it comes again and nothing explains it")
    return event


def _log_end_of_thread(about: threading.ExceptHookArgs) -> None:
    """Python's own report of it is no line of a log."""
    if about.exc_value is None or about.exc_type is SystemExit:
        return
    name = about.thread.name if about.thread else "unknown"
    cause: tuple[type[BaseException], BaseException, TracebackType | None]
    cause = (about.exc_type, about.exc_value, about.exc_traceback)
    get_logger("causalkv.node").critical("a thread ended", thread=name, exc_info=cause, what_to_do=REPORT_IT)


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
    node = _node.get()
    if node is not None:
        event.setdefault("node", node)
    event = _in_order(_logger, _method, event)
    exception = event.pop("exc_info", None)
    what = event.pop("event")
    about = "".join(f" {name}={value}" for name, value in event.items())
    return ("%s", f"{what}{about}"), {"exc_info": exception}
