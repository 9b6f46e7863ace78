"""Who belongs to the cluster: ``/members``, and taking a node out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.http.answers import Member, MemberRemoved, Members, Reply, encode
from node.http.requests import JsonBody, RemoveMemberRequest
from node.http.routes import BODY_ERRORS, FAULT, MALFORMED, Documented, Route

if TYPE_CHECKING:
    from node.http.routes import Exchange
    from node.service import ReplicaService


class MembershipViews:
    """The views on the members, as one node knows them."""

    def __init__(self, service: ReplicaService) -> None:
        self._service = service
        self._remove_body = JsonBody(RemoveMemberRequest, '{"node": "node4"} or {"node": "node4", "force": true}')

    def routes(self) -> list[Route]:
        """The routes served here."""
        return [
            Route(
                "/members",
                "GET",
                self.members,
                "The members: who lives, how far each is, who holds back history",
                (Documented(200, "all members, by name", (Members,)), MALFORMED, FAULT),
            ),
            Route(
                "/members/remove",
                "POST",
                self.remove,
                "Take a node out of the cluster for good",
                (
                    Documented(200, "it is out, its queue is deleted, its writes stay", (MemberRemoved,)),
                    Documented(400, "malformed, no member, this node itself, or alive and not forced"),
                    *BODY_ERRORS,
                    FAULT,
                    Documented(507, "the disk or the store's size limit is full; nothing was changed"),
                ),
                body=RemoveMemberRequest,
            ),
        ]

    def members(self, _exchange: Exchange) -> Reply:
        """GET /members."""
        return Reply(200, encode(Members(self._shown())))

    def remove(self, exchange: Exchange) -> Reply:
        """POST /members/remove."""
        request = self._remove_body.read(exchange.environ)
        self._service.remove_member(request.node, forced=request.force)
        return Reply(200, encode(MemberRemoved(request.node, self._shown(without=request.node))))

    def _shown(self, without: str | None = None) -> list[Member]:
        # What is shown is refreshed a few times a second: a node that was just removed may still stand in it.
        return [Member(*report) for report in self._service.members if report.node != without]
