"""What operators and programs ask a node about itself: status, buffer, health, metrics, faults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from node.clocks import wall_ms
from node.errors import InvalidRequestError
from node.faults import Change, Faults
from node.http.answers import Alive, Buffer, FaultsInForce, Held, NotReady, Ready, Reply, Status, encode
from node.http.errors import RETRY_AFTER, NotServedError
from node.http.requests import FaultsRequest, JsonBody, parse_limit, parse_query, probabilities
from node.http.routes import BODY_ERRORS, FAULT, MALFORMED, UNREADY, Documented, QueryParameter, Route

if TYPE_CHECKING:
    from node.held_report import HeldReport
    from node.http.routes import Exchange
    from node.metrics import NodeMetrics
    from node.service import ReplicaService

BUFFER_PATH = "/buffer"
BUFFER_LIMIT_DEFAULT = 100
BUFFER_LIMIT_MAX = 1000
FAULTS_PATH = "/faults"
METRICS_CONTENT_TYPE = "text/plain"


class OperationViews:
    """The views on a node itself; ``faults`` is None when they are off."""

    def __init__(self, service: ReplicaService, metrics: NodeMetrics, faults: Faults | None) -> None:
        self._service = service
        self._metrics = metrics
        self._faults = faults
        self._faults_body = JsonBody(
            FaultsRequest, '{"delay": {"node1": 3.0}}, {"drop": ["node1"]}, {"cut": true} or {"clear": true}'
        )

    def routes(self) -> list[Route]:
        """The routes served here."""
        limit = {"type": "integer", "minimum": 1, "maximum": BUFFER_LIMIT_MAX, "default": BUFFER_LIMIT_DEFAULT}
        faults_off = Documented(404, "faults are off on this node")
        return [
            Route(
                "/status",
                "GET",
                self.status,
                "How this node is",
                (Documented(200, "clock, counts, broker, details", (Status,)), MALFORMED, FAULT),
            ),
            Route(
                BUFFER_PATH,
                "GET",
                self.buffer,
                "The held writes, and what each waits for",
                (Documented(200, "the first held writes, in order of arrival", (Buffer,)), MALFORMED, FAULT),
                query=(QueryParameter("limit", "how many held writes to list", limit),),
            ),
            Route(
                "/healthz",
                "GET",
                self.healthz,
                "Whether the process serves",
                (Documented(200, "it does", (Alive,)), MALFORMED, FAULT),
                query=None,
            ),
            Route(
                "/readyz",
                "GET",
                self.readyz,
                "Whether the node has caught up and serves",
                (Documented(200, "it has", (Ready,)), MALFORMED, UNREADY),
                query=None,
            ),
            Route(
                "/metrics",
                "GET",
                self.metrics,
                "Metrics for Prometheus",
                (Documented(200, "text exposition format", (), METRICS_CONTENT_TYPE), MALFORMED, FAULT),
                query=None,
            ),
            Route(
                FAULTS_PATH,
                "GET",
                self.show_faults,
                "The injected faults in force",
                (Documented(200, "faults by kind", (FaultsInForce,)), MALFORMED, faults_off, FAULT),
            ),
            Route(
                FAULTS_PATH,
                "POST",
                self.set_faults,
                "Inject faults, or clear them",
                (
                    Documented(200, "the faults now in force", (FaultsInForce,)),
                    MALFORMED,
                    faults_off,
                    *BODY_ERRORS,
                    FAULT,
                ),
                body=FaultsRequest,
            ),
        ]

    def status(self, _exchange: Exchange) -> Reply:
        """GET /status."""
        service = self._service
        clock = service.clock
        status = Status(
            node=service.node_id,
            incarnation=service.incarnation,
            ready=service.ready[0],
            vc=service.shown(clock),
            clock=clock.as_dict(),
            held=service.held_count,
            outbox=service.outbox_count,
            broker=service.broker_state,
        )
        fixed = msgspec.structs.asdict(status)
        details = {name: value for name, value in service.status_details().items() if name not in fixed}
        details["limits_reached"] = self._metrics.limits_reached
        details["faults_allowed"] = self._faults is not None
        return Reply(200, encode(fixed | details), clock)

    def buffer(self, exchange: Exchange) -> Reply:
        """GET /buffer."""
        parameters = parse_query(exchange.environ["QUERY_STRING"], BUFFER_PATH, ("limit",))
        limit = parse_limit(parameters.get("limit"), BUFFER_LIMIT_DEFAULT, BUFFER_LIMIT_MAX)
        now_ms = wall_ms()
        held = [self._held(report, now_ms) for report in self._service.held(limit)]
        return Reply(200, encode(Buffer(held, max(self._service.held_count, len(held)))))

    def _held(self, report: HeldReport, now_ms: int) -> Held:
        held = report.held
        return Held(
            dot=str(held.dot),
            vc=self._service.shown(held.clock),
            clock=held.clock.as_dict(),
            keys=list(held.keys),
            since=_iso(held.since_ms),
            # The wall clock may have been set back since the write arrived.
            held_seconds=max(0, now_ms - held.since_ms) / 1000,
            waits_for=str(report.waits_for),
            missing=[str(dot) for dot in report.missing],
        )

    def healthz(self, _exchange: Exchange) -> Reply:
        """GET /healthz."""
        return Reply(200, encode(Alive(alive=True)))

    def readyz(self, _exchange: Exchange) -> Reply:
        """GET /readyz."""
        ready, why_not = self._service.ready
        if ready:
            return Reply(200, encode(Ready(ready=True)))
        return Reply(503, encode(NotReady(ready=False, error=why_not)), headers=RETRY_AFTER)

    def metrics(self, _exchange: Exchange) -> Reply:
        """GET /metrics: in the one format that every Prometheus reads, whatever the request accepts."""
        return Reply(200, generate_latest(self._metrics.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def show_faults(self, _exchange: Exchange) -> Reply:
        """GET /faults."""
        return Reply(200, encode(self._control().describe()))

    def set_faults(self, exchange: Exchange) -> Reply:
        """POST /faults."""
        faults = self._control()
        request = self._faults_body.read(exchange.environ)
        change = Change(
            clear=request.clear,
            delay=request.delay,
            drop=probabilities(request.drop),
            duplicate=probabilities(request.duplicate),
            cut=request.cut,
            wall_offset_seconds=request.wall_offset,
        )
        if change.is_empty:
            raise InvalidRequestError(f"the body asks for nothing: send {self._faults_body.example}")
        faults.change(change)
        return Reply(200, encode(faults.describe()))

    def _control(self) -> Faults:
        if self._faults is None:
            raise NotServedError(f"{FAULTS_PATH} is off: start the node with CAUSALKV_FAULTS=1 to inject faults")
        return self._faults


def _iso(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
