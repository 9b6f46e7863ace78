"""What is right although a description cannot say it: loaded by schemathesis (schemathesis.toml names it)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemathesis

from node.http.causal_context import WAIT_MAX_SECONDS

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure

UNKNOWN_HEADER = "x-schemathesis-unknown-property"
WAIT_HEADER = "X-Causal-Wait"
# Requests of the right form that ask for what is not there, or for two things at once; and 5.0, which JSON Schema
# takes for an integer.
WRONG_IN_MEANING = (
    "request_id was used for another write",
    "is no member",
    "cannot remove itself",
    "if_vc and if_absent exclude each other",
    "Expected `int`, got `float`",
)


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Let no request wait that may: a token that is ahead stays so, and one node alone has nobody to wait for."""
    del context, kwargs
    if _may_be(case.headers.get(WAIT_HEADER, "5")):
        case.headers[WAIT_HEADER] = "0"
    if isinstance(case.body, dict) and "ack" in case.body and _may_be(case.body.get("ack_timeout", 5)):
        case.body["ack_timeout"] = 0


def _may_be(seconds: Any) -> bool:
    try:
        return not isinstance(seconds, bool) and 0 <= float(seconds) <= WAIT_MAX_SECONDS
    except (TypeError, ValueError):
        return False


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Whether a failure is one."""
    del context
    match failure.title:
        case "Schema-violating request accepted":
            # Any request may carry headers that a server knows nothing of.
            return UNKNOWN_HEADER not in {name.lower() for name in case.headers or ()}
        case "Schema-valid request rejected":
            return not any(words in response.text for words in WRONG_IN_MEANING)
    return True
