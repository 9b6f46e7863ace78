"""The users of a broker that serves one cluster alone, as ``infra/rabbitmq/definitions.json`` makes them.

Docker Compose fills that file in with ``infra/rabbitmq/start``, which has no Python at hand; here it is done for
brokers that a local cluster or a test starts by itself, with passwords that are drawn.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local_cluster import NODE_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).resolve().parent / "rabbitmq"
TEMPLATE = FOLDER / "definitions.json"
# The name of the cluster, as it stands in the template.
CLUSTER = "causalkv"
LOOK = "look"
USER_VARIABLE = "CAUSALKV_BROKER_USER"
PASSWORD_VARIABLE = "CAUSALKV_BROKER_PASSWORD"  # noqa: S105  # a name, not a password


@dataclass(frozen=True, slots=True)
class BrokerUsers:
    """An administrator, a user for each of node1 to node3, and one that only looks; ``passwords`` by name."""

    administrator: str
    passwords: Mapping[str, str]

    @classmethod
    def drawn(cls, administrator: str, password: str | None = None) -> BrokerUsers:
        """Users with random passwords, but for the administrator's when it is given."""
        drawn = {user: secrets.token_urlsafe(12) for user in (*NODE_IDS, LOOK)}
        return cls(administrator, {administrator: password or secrets.token_urlsafe(12), **drawn})

    @classmethod
    def kept_in(cls, file: Path, administrator: str, password: str) -> BrokerUsers:
        """The users whose passwords a file holds, drawn and written there when there is none."""
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(json.dumps(cls.drawn(administrator, password).passwords), encoding="utf-8")
        return cls(administrator, json.loads(file.read_text(encoding="utf-8")) | {administrator: password})

    def variables(self) -> dict[str, str]:
        """The environment that the template asks for."""
        named = {
            f"{PASSWORD_VARIABLE}_{user.upper()}": password
            for user, password in self.passwords.items()
            if user != self.administrator
        }
        return {USER_VARIABLE: self.administrator, PASSWORD_VARIABLE: self.passwords[self.administrator], **named}

    def definitions(self, cluster: str = CLUSTER) -> str:
        """The template, filled in, with rights to what this cluster has on the broker."""
        values = self.variables()

        def filled(part: Any) -> Any:
            match part:
                case dict():
                    return {name: filled(value) for name, value in part.items()}
                case list():
                    return [filled(value) for value in part]
                case str() if variable := re.fullmatch(r"\$\{(\w+)\}", part):
                    return values[variable[1]]
                case str():
                    return part.replace(CLUSTER, cluster)
            return part

        return json.dumps(filled(json.loads(TEMPLATE.read_text(encoding="utf-8"))), indent=2)
