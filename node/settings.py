"""Configuration of one node: environment variables, or flags of the same name.

Everything an operator may set is a field here, with its limits; anything wrong ends the process with
exit code 2 and one line that names the variable.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from node.broker_address import user_of, with_password
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_PREFIX = "CAUSALKV_"
NODE_ID_PATTERN = r"[A-Za-z0-9_-]{1,64}"
MIB = 1024 * 1024
MEMORY_URL = "memory://"
# A half of what a process can address (47 bits), of which the store maps its whole limit.
MAPPED_MAX_BYTES = 2**46
# Named in the surface that programs rely on, and not there yet: whoever sets it expects to be protected.
TOKENS_FILE_VARIABLE = f"{ENVIRONMENT_PREFIX}TOKENS_FILE"
# Fields whose value no message may quote.
HOLDS_A_PASSWORD = ("amqp_url", "amqp_password")

QueueType = Literal["classic", "quorum"]


class Settings(BaseSettings):
    """All settings of a node; each field is ``CAUSALKV_<FIELD>`` and ``--<field>``."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="ignore", frozen=True)

    node_id: str = Field(description="this node's name, e.g. node1", pattern=f"^{NODE_ID_PATTERN}$")
    nodes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("node1", "node2", "node3"), description="the founding members, comma-separated"
    )
    amqp_url: str = Field(
        default="amqp://guest:guest@127.0.0.1:5672/%2F",
        description="the broker; amqps:// for TLS; several, comma-separated, are tried in turn; "
        "memory:// for an in-process fanout",
    )
    amqp_password: SecretStr | None = Field(
        default=None,
        description="password of the user that the broker's address names, apart from it and as it is: not %-encoded",
    )
    trusted_broker_users: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="broker users, comma-separated, that may speak for any node although each has a user of its own",
    )
    queue_type: QueueType = Field(default="classic", description="type of the nodes' queues")
    http_host: str = Field(default="127.0.0.1", description="address that HTTP listens on", min_length=1)
    http_port: int = Field(default=8000, description="port that HTTP listens on", ge=1, le=65535)
    data_dir: Path | None = Field(default=None, description="local store; default ./data/<node id>")
    cluster: str = Field(
        default="causalkv", description="prefix of exchange and queue names", pattern=r"^[A-Za-z0-9_-]{1,64}$"
    )
    advertised_url: str | None = Field(default=None, description="where clients reach this node")
    faults: bool = Field(default=False, description="1 turns on /faults, for lessons and tests")
    restored: bool = Field(
        default=False,
        description="1: the data directory is an old copy, and so may be those of all others: write under a new name",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, else json"
    )
    log_writes_per_second: int = Field(
        default=200, ge=0, description="lines a second that tell the story of single writes; beyond it they are counted"
    )

    value_max_bytes: int = Field(default=MIB, ge=1, le=8 * MIB, description="largest value, JSON-encoded")
    store_max_bytes: int = Field(
        default=64 * 1024 * MIB, ge=16 * MIB, le=MAPPED_MAX_BYTES, description="largest size of the local store"
    )
    outbox_max_writes: int = Field(
        default=1_000_000, ge=1, description="writes not yet confirmed by the broker; beyond it writes get 429"
    )
    held_max_writes: int = Field(
        default=100_000, ge=10, description="held writes in memory; beyond it they wait on the disk alone"
    )
    http_threads: int = Field(default=64, ge=2, le=512, description="requests in progress at the same time")
    http_running_threads: int = Field(
        default=2, ge=1, le=64, description="of these, requests that run at the same instant; the others wait"
    )
    http_max_connections: int = Field(default=1_000, ge=10, le=100_000, description="open HTTP connections")
    waiting_max_requests: int = Field(
        default=256, ge=1, le=4096, description="requests that wait for their causal context; beyond it 429"
    )
    ack_waiting_max_requests: int = Field(
        default=256, ge=1, le=4096, description="writes that wait for ack=broker or all; beyond it 429"
    )
    requests_max_remembered: int = Field(
        default=50_000_000,
        ge=1,
        description="requests with a request_id that are remembered for an hour; beyond it 429 for new ones",
    )
    watch_max_watchers: int = Field(default=500, ge=1, le=10_000, description="clients that watch; beyond it 503")
    watch_max_states: int = Field(
        default=8, ge=1, le=256, description="watchers that are sent the whole state at the same time; beyond it 503"
    )
    events_max: int = Field(
        default=10_000, ge=100, le=1_000_000, description="events kept in memory for /events; beyond it the oldest go"
    )
    events_max_streams: int = Field(
        default=100, ge=1, le=10_000, description="clients that are streamed events; beyond it 503"
    )
    commit_max_writes: int = Field(default=2_000, ge=1, description="writes in one transaction of the store")
    pack_max_writes: int = Field(default=500, ge=1, le=10_000, description="writes packed into one message")
    pack_max_bytes: int = Field(default=256 * 1024, ge=1024, le=8 * MIB, description="size at which a pack is closed")
    publish_window_messages: int = Field(default=64, ge=1, le=10_000, description="unconfirmed messages on the wire")
    queue_max_messages: int = Field(
        default=1_000_000,
        ge=100,
        le=10**15,
        description="messages in a node's queue; beyond it the oldest are dropped there, and repaired later",
    )
    clock_skew_warn_seconds: float = Field(
        default=5.0, gt=0, le=10**9, description="wall clocks further apart than this are warned about"
    )
    repair_after_seconds: float = Field(
        default=2.0, gt=0, le=3600, description="a missing write that does not come by itself is asked for after this"
    )
    snapshot_from_writes: int = Field(
        default=100_000, ge=1, description="missing writes from which on a snapshot is taken, and not each of them"
    )
    member_away_seconds: float = Field(
        default=24 * 3600.0,
        ge=5,
        le=10**9,
        description="a member silent for so long holds back no history, and needs a snapshot",
    )
    history_keep_writes: int = Field(
        default=10_000, ge=0, description="recent writes of each replica kept in history although all members have them"
    )
    history_max_writes: int = Field(
        default=10_000_000, ge=1_000, description="writes in history beyond which members that are down hold back none"
    )
    prefetch_messages: int = Field(default=128, ge=1, le=10_000, description="unacknowledged deliveries")
    broker_heartbeat_seconds: int = Field(default=30, ge=5, le=600, description="AMQP heartbeat")

    @field_validator("nodes", "trusted_broker_users", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("nodes")
    @classmethod
    def _check_nodes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(NODE_ID_PATTERN, name):
                raise ValueError(f"{name!r} is not a node id: use 1 to 64 letters, digits, '_' or '-', comma-separated")
        if len(set(value)) != len(value):
            raise ValueError("a node id stands in the list twice: name each founding member once")
        return value

    @field_validator("amqp_url")
    @classmethod
    def _check_amqp_url(cls, value: str) -> str:
        if value.strip() == MEMORY_URL:
            return MEMORY_URL
        for url in _each(value):
            try:
                parts = urlsplit(url)
                _ = parts.port
            except ValueError:
                raise ValueError(
                    "the port is not a number from 0 to 65535: amqp://user:password@host:5672/%2F"
                ) from None
            if parts.scheme not in ("amqp", "amqps") or not parts.hostname:
                raise ValueError("use amqp://user:password@host:5672/%2F, amqps://… for TLS, or memory://")
        return value

    @field_validator("amqp_password")
    @classmethod
    def _check_amqp_password(cls, value: SecretStr | None, given: ValidationInfo) -> SecretStr | None:
        address = given.data.get("amqp_url", MEMORY_URL)  # absent when it is wrong, which is told first
        if value is not None and address != MEMORY_URL and not all(map(user_of, _each(address))):
            raise ValueError("CAUSALKV_AMQP_URL must name the user: amqp://user@host:5672/%2F")
        return value

    @field_validator("trusted_broker_users")
    @classmethod
    def _check_trusted_broker_users(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(value):
            raise ValueError("a name in the list is empty: name broker users, comma-separated")
        return value

    @field_validator("advertised_url")
    @classmethod
    def _check_advertised_url(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"^https?://[^/]+", value):
            raise ValueError("use an address such as http://127.0.0.1:8001")
        return value

    @property
    def data_path(self) -> Path:
        """The data directory, with its default filled in."""
        return self.data_dir if self.data_dir is not None else Path("data") / self.node_id

    @property
    def public_url(self) -> str:
        """Where browsers and clients reach this node."""
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host  # IPv6
        return self.advertised_url or f"http://{host}:{self.http_port}"

    @property
    def amqp_urls(self) -> tuple[str, ...]:
        """Broker addresses in the order in which they are tried, with their passwords."""
        urls = _each(self.amqp_url)
        if self.amqp_password is None or self.amqp_url == MEMORY_URL:
            return urls
        return tuple(with_password(url, self.amqp_password.get_secret_value()) for url in urls)

    @property
    def has_own_broker_user(self) -> bool:
        """Whether the broker knows this node by its own name, and not as one of many."""
        return all(user_of(url) == self.node_id for url in self.amqp_urls)


def _each(addresses: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in addresses.split(","))


def load_settings(arguments: list[str]) -> Settings:
    """Settings from flags, else from the environment.

    Raises ConfigurationError with one line that says which variable is wrong and what would be right.
    """
    given = _parse_flags(arguments)
    # An empty variable is how Compose files and shells say "not set".
    empty = [name for name, value in os.environ.items() if name.startswith(ENVIRONMENT_PREFIX) and not value]
    if empty:
        raise ConfigurationError(f"{empty[0]}: is set but empty: give it a value or unset it")
    if TOKENS_FILE_VARIABLE in os.environ:
        raise ConfigurationError(
            f"{TOKENS_FILE_VARIABLE}: this version has no API tokens, and would serve everybody: unset it, and let a "
            "proxy in front of the node decide who may ask"
        )
    return checked_settings(given)


def checked_settings(given: Mapping[str, Any]) -> Settings:
    """Settings as they are given by name, the others from the environment. Raises as ``load_settings`` does."""
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    message = str(first["msg"]).removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = str(first["loc"][0])
    description = Settings.model_fields[field].description
    if first["type"] == "missing":
        return f"{ENVIRONMENT_PREFIX}{field.upper()}: is not set: {description}"
    shown = "" if field in HOLDS_A_PASSWORD else f" (got {str(first['input'])[:80]!r})"
    return f"{ENVIRONMENT_PREFIX}{field.upper()}: {message}{shown}: {description}"


class _OneLineParser(argparse.ArgumentParser):
    """argparse, but a mistake is one line, as for the environment."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}: python -m node --help lists the flags")


def _parse_flags(arguments: list[str]) -> dict[str, str]:
    parser = _OneLineParser(prog="python -m node", description="Run one causalkv node.", allow_abbrev=False)
    for name, field in Settings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        text = f"{field.description} [{ENVIRONMENT_PREFIX}{name.upper()}]".replace("%", "%%")
        parser.add_argument(flag, dest=name, default=None, metavar="VALUE", help=text)
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Only the name: what stands behind it may be a broker address with its password.
        name = unknown[0].partition("=")[0] if unknown[0].startswith("-") else "a value without a flag"
        parser.error(f"unknown argument: {name[:80]!r}")
    given = {name: value for name, value in vars(parsed).items() if value is not None}
    empty = [name for name, value in given.items() if not value]
    if empty:
        parser.error(f"--{empty[0].replace('_', '-')} is empty: give it a value or leave it out")
    return given
