"""Which keys hold several concurrent values: ``/conflicts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.checks import check_cursor
from node.http.answers import Reply, encode
from node.http.data_answers import Conflicts, KeyInConflict
from node.http.keys import siblings_of
from node.http.requests import CURSOR_SCHEMA, parse_limit, parse_query
from node.http.routes import CANNOT_NOW, LIMIT_REACHED, MALFORMED, Documented, QueryParameter, Route

if TYPE_CHECKING:
    from node.http.routes import Exchange
    from node.service import ReplicaService

CONFLICTS_PATH = "/conflicts"
CONFLICTS_LIMIT_DEFAULT = 20
CONFLICTS_LIMIT_MAX = 1000


class ConflictView:
    """The view on what was written concurrently and not settled yet."""

    def __init__(self, service: ReplicaService) -> None:
        self._service = service

    def route(self) -> Route:
        """The route served here."""
        limit = {"type": "integer", "minimum": 1, "maximum": CONFLICTS_LIMIT_MAX, "default": CONFLICTS_LIMIT_DEFAULT}
        return Route(
            CONFLICTS_PATH,
            "GET",
            self.conflicts,
            "List the keys with several concurrent values, page by page",
            (Documented(200, "one page", (Conflicts,)), MALFORMED, LIMIT_REACHED, CANNOT_NOW),
            query=(
                QueryParameter("after", "only keys behind this one: the `next` of the page before", CURSOR_SCHEMA),
                QueryParameter("limit", "how many keys to list; fewer when their values are large", limit),
            ),
            waits=True,
        )

    def conflicts(self, exchange: Exchange) -> Reply:
        """GET /conflicts."""
        parameters = parse_query(exchange.environ["QUERY_STRING"], CONFLICTS_PATH, ("after", "limit"))
        after = check_cursor(parameters.get("after", ""), "after")
        limit = parse_limit(parameters.get("limit"), CONFLICTS_LIMIT_DEFAULT, CONFLICTS_LIMIT_MAX)
        page, count = self._service.reading.conflicts(after, limit, exchange.context, exchange.wait_seconds)
        shown = self._service.shown
        found = [KeyInConflict(key, siblings_of(versions, shown)) for key, versions in page.entries]
        listed = [each for each in found if len(each.siblings) > 1]
        following = page.entries[-1][0] if page.has_more else None
        return Reply(200, encode(Conflicts(listed, following, count, shown(page.clock))), page.clock)
