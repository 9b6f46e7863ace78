"""A replica inside a Python process."""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING, Any, Self

from node.embedded.gate import Gate
from node.embedded.operations import Access
from node.embedded.session import NoSession, Session
from node.embedded.values import number_in
from node.embedded.watch import Watches
from node.engine import STOP_SECONDS, Engine
from node.errors import ConfigurationError, UnavailableError
from node.http.causal_context import EMPTY
from node.settings import Settings, checked_settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from node.embedded.watch import Watch
    from node.service import ReplicaService
    from node.store import Store

READY_SECONDS = 30.0
WAIT_MAX_SECONDS = 3600.0
# Calls that read are short: who takes longer to leave hangs at the disk.
LEAVE_SECONDS = 1.0
_POLL_SECONDS = 0.02
# They are about the process that serves a node, and there is none.
_FOREIGN_SETTINGS = frozenset({"log_level", "log_format", "advertised_url", "events_max", "events_max_streams"})


class Replica(NoSession):
    """One replica of a cluster, in this process: ``with Replica("node1", amqp_url=…, data_dir=…) as replica:``.

    Nobody else may run under its name: it is a member like any other, beside nodes that serve HTTP. ``nodes``: the
    founding members. ``amqp_url``: the broker, or ``memory://`` for replicas of one process. ``settings``: any other
    of `node.settings` that is not about HTTP or logging; what is not given is taken from the environment, as for a
    node. What it logs goes where the program configured structlog to, else to the standard library's logger
    ``causalkv``.

    The methods of the replica itself have seen nothing before; ``session()`` gives the guarantees that follow a
    client. See `Operations` for both.
    """

    def __init__(
        self,
        node_id: str,
        *,
        nodes: Iterable[str] | None = None,
        amqp_url: str | None = None,
        data_dir: Path | str | None = None,
        **settings: Any,
    ) -> None:
        """Raises ConfigurationError, with one line that says what is wrong and what would be right."""
        for name in settings:
            if name in _FOREIGN_SETTINGS or name.startswith("http_"):
                raise ConfigurationError(
                    f"{name}: an embedded replica serves no HTTP and leaves logging to the program"
                )
            if name not in Settings.model_fields:
                raise ConfigurationError(f"{name}: there is no such setting: see docs/embedded.md")
        founders = nodes if nodes is None or isinstance(nodes, str) else tuple(nodes)
        given = {"nodes": founders, "amqp_url": amqp_url, "data_dir": data_dir, "node_id": node_id, **settings}
        self.settings = checked_settings({name: value for name, value in given.items() if value is not None})
        self._engine: Engine | None = None
        self._running: Access | None = None

    # ---------------------------------------------------------------------------- coming, going

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """Open the data directory and begin to work; returns at once, also while the broker is away.

        Raises StoreError, with one line, when the data directory is in use or refused.
        """
        if self._running is not None and not self._running.gate.is_closed:
            raise UnavailableError("this replica runs already: close it first")
        engine = Engine(self.settings)
        try:
            gate = Gate(lambda: engine.failure)
            watches = Watches(engine, gate)
            self._engine = engine
            self._running = Access(
                gate, engine.service, engine.store, engine.metrics, watches, self.settings.value_max_bytes
            )
            _stores.add(engine.store)
            engine.start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Let nobody in any more, finish what was accepted, publish what can be published; within ten seconds.

        Watches end, and who waits is told that the replica is closed. Closing twice is no harm.
        """
        access, engine = self._running, self._engine
        if access is None or engine is None or access.gate.is_foreign or access.gate.is_closed:
            return
        deadline = time.monotonic() + STOP_SECONDS
        access.gate.close()
        engine.service.stopping()
        access.watches.close()
        # Who is inside of a call gets its answer, or hears that the replica stops, before the store is closed.
        engine.stop(deadline, is_left=lambda: access.gate.wait_empty(max(LEAVE_SECONDS, deadline - time.monotonic())))

    @property
    def _access(self) -> Access:
        if self._running is None:
            raise UnavailableError("this replica is not started: use it in a with statement, or call start()")
        return self._running

    # ---------------------------------------------------------------------------------- looking

    @property
    def ready(self) -> bool:
        """Whether it has caught up with the others; reads and writes are served before, too."""
        return self._service().ready[0]

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Return when it has caught up. Raises UnavailableError, which says what is missing, after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            is_ready, why_not = self._service().ready
            if is_ready:
                return
            if time.monotonic() >= deadline:
                raise UnavailableError(f"not ready after {timeout_seconds:g} s: {why_not}")
            time.sleep(_POLL_SECONDS)

    def status(self) -> dict[str, Any]:
        """How it is, as ``/status`` of a node says it; the clock by replica, and as people see it in ``vc``."""
        service = self._service()
        with self._access.gate:
            clock = service.clock
            return {
                **service.status_details(),
                "node": service.node_id,
                "incarnation": service.incarnation,
                "ready": service.ready[0],
                "vc": service.shown(clock),
                "clock": clock.as_dict(),
                "held": service.held_count,
                "outbox": service.outbox_count,
                "broker": service.broker_state,
                "url": None,
            }

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics, for the program's own Prometheus endpoint."""
        return self._access.metrics.registry

    def _service(self) -> ReplicaService:
        access = self._access
        with access.gate:
            return access.service

    # --------------------------------------------------------------------- sessions and watching

    def session(self, token: str = "", *, wait_seconds: float = 5.0) -> Session:
        """A session that has seen what ``token`` covers; each call waits at most ``wait_seconds`` for that to be here.

        Raises InvalidRequestError when the token is malformed.
        """
        if wait_seconds != 0:
            number_in(wait_seconds, "wait_seconds", WAIT_MAX_SECONDS)
        return Session(self._access, token, wait_seconds)

    def watch(self, prefix: str = "", *, initial: bool = False, since: str | None = None) -> Watch:
        """Iterate over changes of keys that begin with ``prefix``, in causal order; close it, or use it in ``with``.

        From now on, or behind the token ``since``. ``initial``: first the whole state, then `InitialStateEnd`.
        Changes are read from history when they are asked for, so a slow program holds no memory; when history no
        longer reaches back to it, it gets a `Reset`. Raises InvalidRequestError, ContextNotReachedError (``since`` is
        ahead of this replica), UnavailableError (too many watch already).
        """
        return self._access.watches.open(prefix, since, EMPTY, self.wait_seconds, _unseen, initial=initial)


def _unseen(_clock: object) -> None:
    """No session takes it in."""


# What a fork lets go of.
_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for store in _stores:
        store.let_go()


os.register_at_fork(after_in_child=_leave_to_parent)
