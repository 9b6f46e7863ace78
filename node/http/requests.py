"""What requests may say: bodies as typed structs, query strings, and the checks that types cannot express."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from node.checks import KEYS_MAX, check_key, name_given_twice, said
from node.core.dot import NODE_ID
from node.errors import InvalidRequestError
from node.http.answers import JSON
from node.http.errors import UnsupportedMediaTypeError
from node.operation_codec import KEY_MAX_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

ACK_TIMEOUT_DEFAULT_SECONDS = 5.0
ACK_TIMEOUT_MAX_SECONDS = 60.0
DELAY_MAX_SECONDS = 3600
DAY_SECONDS = 86_400
QUERY_PARAMETERS_MAX = 16
_SHOWN_CHARACTERS_MAX = 80

KEY_SCHEMA: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": KEY_MAX_BYTES,
    "description": f"not empty, at most {KEY_MAX_BYTES} bytes of UTF-8",
}
CURSOR_SCHEMA: dict[str, Any] = {"type": "string", "maxLength": KEY_MAX_BYTES}
# The limit in bytes is checked apart, in words of its own.
Key = Annotated[str, Meta(min_length=1, extra_json_schema=KEY_SCHEMA)]


class MultipleGetRequest(Struct, forbid_unknown_fields=True):
    """Read several keys at the same moment."""

    keys: Annotated[list[Key], Meta(min_length=1, max_length=KEYS_MAX)]


class RemoveMemberRequest(Struct, forbid_unknown_fields=True):
    """Take a node out of the cluster for good; its writes stay."""

    node: Annotated[str, Meta(pattern=f"^{NODE_ID.pattern}$")]
    force: Annotated[bool, Meta(description="also while it is alive")] = False


NodeId = Annotated[str, Meta(pattern=f"^{NODE_ID.pattern}$")]
NodesStruck = (
    Annotated[list[NodeId], Meta(max_length=64)]
    | Annotated[dict[NodeId, bool | Annotated[float, Meta(ge=0, le=1)]], Meta(max_length=64)]
)


class FaultsRequest(Struct, forbid_unknown_fields=True):
    """Forget all faults (``clear``, done first), then put some in force; what is not named stays as it is.

    ``delay``, ``drop`` and ``duplicate`` act on messages from the named nodes. ``cut`` parts this node from the broker.
    """

    delay: Annotated[
        dict[NodeId, Annotated[float, Meta(ge=0, le=DELAY_MAX_SECONDS)]],
        Meta(max_length=64, description="seconds by node id; 0 ends it"),
    ] = {}  # msgspec copies it for each request
    drop: Annotated[
        NodesStruck, Meta(description="lose messages: node ids, or by node id true, false or how likely")
    ] = {}
    duplicate: Annotated[
        NodesStruck, Meta(description="bring messages twice: node ids, or by node id true, false or how likely")
    ] = {}
    cut: Annotated[bool | None, Meta(description="part this node from the broker, both ways, until false or clear")] = (
        None
    )
    wall_offset: (
        Annotated[float, Meta(ge=-DAY_SECONDS, le=DAY_SECONDS, description="seconds by which the wall clock is wrong")]
        | None
    ) = None
    clear: bool = False


def probabilities(struck: list[str] | dict[str, bool | float]) -> dict[str, float]:
    """How likely a fault is, by node id; a list means all messages of these nodes."""
    if isinstance(struck, list):
        return dict.fromkeys(struck, 1.0)
    return {node: float(chance) for node, chance in struck.items()}


# --------------------------------------------------------------------------------------- bodies

T = TypeVar("T")


class JsonBody(Generic[T]):
    """Reads request bodies of one type; ``example`` shows in errors what would be right."""

    def __init__(self, kind: type[T], example: str, parts: str | None = None) -> None:
        """``parts`` names the member that is a list of objects, if there is one."""
        self.kind = kind
        self.example = example
        self._parts = parts
        self._decoder = msgspec.json.Decoder(kind)
        self._quoted_names = [f'"{field.encode_name}"'.encode() for field in msgspec.structs.fields(kind)]  # type: ignore[arg-type]  # every kind is a Struct

    def read(self, environ: WSGIEnvironment) -> T:
        """The request's body. Raises UnsupportedMediaTypeError, InvalidRequestError."""
        _check_content_type(environ)
        body = environ["wsgi.input"].read()
        if not body:
            raise InvalidRequestError(f"the body is empty: send {self.example}")
        try:
            request = self._decoder.decode(body)
            twice = self._member_given_twice(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequestError(f"the body is not right: {said(error)}: send {self.example}") from None
        if twice is not None:
            raise InvalidRequestError(f"the body gives {twice!r} twice: send {self.example}")
        return request

    def _member_given_twice(self, body: bytes) -> str | None:
        r"""A name that the body's outermost object, or one of its parts, gives twice: which counts would be a guess.

        Looked for only in bodies that have parts, or where a name occurs twice at all, nested objects included, or
        might, written with escapes, which for the underscore and small ASCII letters are \u005f and \u0061 to \u007a.
        """
        escaped = any(start in body for start in (b"\\u005", b"\\u006", b"\\u007"))
        if not escaped and self._parts is None and all(body.count(name) <= 1 for name in self._quoted_names):
            return None
        # Numbers stay text: Python's limits on numbers are not the client's mistake.
        members = json.loads(body, object_pairs_hook=list, parse_int=str, parse_float=str)
        parts = [part for name, value in members if name == self._parts for part in value]
        return next(filter(None, map(name_given_twice, (members, *parts))), None)


def _check_content_type(environ: WSGIEnvironment) -> None:
    given = environ.get("CONTENT_TYPE", "")
    if given != JSON and given.partition(";")[0].strip().lower() != JSON:
        shown = f"{given[:_SHOWN_CHARACTERS_MAX]!r}" if given else "missing"
        raise UnsupportedMediaTypeError(f"Content-Type is {shown}: send JSON as {JSON}")
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaTypeError(f"Content-Encoding is {encoding[:_SHOWN_CHARACTERS_MAX]!r}: send plain JSON")


# --------------------------------------------------------------------------------------- queries

_PLAIN_KEY = re.compile(rf"key=([A-Za-z0-9_.~:/-]{{1,{KEY_MAX_BYTES}}})")


def parse_query(text: str, path: str, names: tuple[str, ...]) -> dict[str, str]:
    """The parameters of a query string: each one of ``names``, at most once. Raises InvalidRequestError."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=QUERY_PARAMETERS_MAX)
    except ValueError:  # also bytes that are not UTF-8
        raise InvalidRequestError(
            f"the query string is not percent-encoded UTF-8 with at most {QUERY_PARAMETERS_MAX} parameters"
        ) from None
    known = f"{path} knows {', '.join(names)}" if names else f"{path} takes none"
    parameters: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            raise InvalidRequestError(f"unknown query parameter {name[:_SHOWN_CHARACTERS_MAX]!r}: {known}")
        if name in parameters:
            raise InvalidRequestError(f"the query parameter {name!r} is given twice: give it once")
        parameters[name] = value
    return parameters


def parse_get_query(text: str, path: str) -> tuple[str, bool]:
    """The key that a read asks for, and whether it wants all siblings. Raises InvalidRequestError."""
    plain = _PLAIN_KEY.fullmatch(text)
    if plain is not None:
        return plain[1], False
    parameters = parse_query(text, path, ("key", "siblings"))
    key = required_key(parameters, path)
    siblings = parameters.get("siblings", "false")
    if siblings not in ("true", "false"):
        raise InvalidRequestError(f"siblings is {siblings[:_SHOWN_CHARACTERS_MAX]!r}: use true or false")
    return key, siblings == "true"


def required_key(parameters: dict[str, str], path: str) -> str:
    """The parameter ``key``. Raises InvalidRequestError."""
    if "key" not in parameters:
        raise InvalidRequestError(f"no key is given: ask for {path}?key=x")
    return check_key(parameters["key"])


def parse_limit(text: str | None, default: int, maximum: int) -> int:
    """A number of entries to show. Raises InvalidRequestError."""
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= maximum:
        raise InvalidRequestError(f"limit is {text[:_SHOWN_CHARACTERS_MAX]!r}: use a number from 1 to {maximum}")
    return int(text)
