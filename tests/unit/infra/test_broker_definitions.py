"""Passwords on their way from the environment into what RabbitMQ reads, in whatever characters; and clear refusals."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.broker_users import CLUSTER, FOLDER, LOOK, TEMPLATE, BrokerUsers
from infra.local_cluster import NODE_IDS

ROOT = Path(__file__).resolve().parent.parent.parent.parent
AWKWARD = [
    "p\"a\\s's|&/@:%41?#[ü]É",
    "${CAUSALKV_BROKER_PASSWORD_NODE1}",
    "$$",
    "\\u0041",
    " spaces around ",
    "*",
    "s|a|b|g",
    "causalkv",
    "-n",
    "\u0085\u2028 €😀",
]


def users(password: str = "secret", administrator: str = "guest") -> BrokerUsers:  # noqa: S107  # of nobody
    """Users with passwords that differ, one of them this one."""
    return BrokerUsers(administrator, {administrator: password, **{each: f"of-{each}" for each in (*NODE_IDS, LOOK)}})


def start(
    folder: Path, environment: dict[str, str], *command: str, shell: str = "sh"
) -> subprocess.CompletedProcess[str]:
    """Run infra/rabbitmq/start, with a command in place of the server."""
    return subprocess.run(
        [shell, str(FOLDER / "start"), *(command or ("true",))],
        env={
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "CAUSALKV_DEFINITIONS": str(TEMPLATE),
            "CAUSALKV_DEFINITIONS_FILLED": str(folder / "run" / "definitions.json"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def filled_by_shell(folder: Path, environment: dict[str, str], shell: str = "sh") -> Any:
    """The definitions, as the container's script fills them in."""
    done = start(folder, environment, shell=shell)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "run" / "definitions.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("text", AWKWARD)
def test_a_password_and_a_name_arrive_as_they_are(tmp_path: Path, text: str, shell: str) -> None:
    """Quoted for JSON, and not taken for a pattern, a variable or an option on the way."""
    wanted = users(text, administrator=f"admin {text}")
    found = filled_by_shell(tmp_path, wanted.variables(), shell)
    assert {each["name"]: each["password"] for each in found["users"]} == wanted.passwords
    assert found["permissions"][0]["user"] == wanted.administrator


@pytest.mark.parametrize("cluster", [CLUSTER, "other_1-x"])
def test_the_container_and_the_local_runner_fill_in_the_same(tmp_path: Path, cluster: str) -> None:
    """One template, two ways to fill it."""
    by_shell = filled_by_shell(tmp_path, {**users().variables(), "CAUSALKV_CLUSTER": cluster})
    assert by_shell == json.loads(users().definitions(cluster))
    names = [each["name"] for kind in ("exchanges", "queues") for each in by_shell[kind]]
    assert names
    assert all(cluster in name.split(".") for name in names)


def test_only_the_broker_can_read_the_passwords_and_its_environment_holds_none(tmp_path: Path) -> None:
    """Neither other users of the machine, nor whoever sees the environment of a process."""
    done = start(tmp_path, users().variables(), "env")
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert "of-node1" not in done.stdout + done.stderr
    file = tmp_path / "run" / "definitions.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "LC_ALL=C.UTF-8" in done.stdout.splitlines()


def test_a_start_names_the_users_and_where_they_come_from(tmp_path: Path) -> None:
    """RabbitMQ itself does not say in which file it met an error."""
    said = start(tmp_path, users().variables()).stderr
    assert said.count("\n") == 1
    assert "guest node1 node2 node3 look" in said
    assert "infra/rabbitmq/definitions.json" in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CAUSALKV_BROKER_PASSWORD": ""}, "CAUSALKV_BROKER_PASSWORD is not set"),
        ({"CAUSALKV_BROKER_PASSWORD_NODE2": "two\nlines"}, "CAUSALKV_BROKER_PASSWORD_NODE2 holds a line break"),
        ({"CAUSALKV_BROKER_PASSWORD_LOOK": "ends with one\n"}, "CAUSALKV_BROKER_PASSWORD_LOOK holds a line break"),
        ({"CAUSALKV_BROKER_USER": "t\tab"}, "CAUSALKV_BROKER_USER holds a line break or another control character"),
        ({"CAUSALKV_BROKER_USER": "look"}, "two users would have the name look: choose another one in CAUSALKV_BROKER"),
        ({"CAUSALKV_BROKER_USER": "node3"}, "two users would have the name node3"),
        ({"CAUSALKV_DEFINITIONS": "/nowhere/definitions.json"}, "/nowhere/definitions.json cannot be read: mount"),
        ({"CAUSALKV_CLUSTER": "a.b"}, "CAUSALKV_CLUSTER is a.b: use letters, digits, '_' or '-'"),
    ],
)
def test_what_cannot_be_filled_in_is_one_line_and_no_broker(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    """Which variable is wrong, and what would be right; the password is not shown."""
    done = start(tmp_path, users().variables() | changes, "echo", "started")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("causalkv: the broker does not start: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_a_node_with_the_administrators_password_is_named(tmp_path: Path) -> None:
    """It works, as when one password is set for all; but then a node may do all that an administrator may."""
    same = {f"CAUSALKV_BROKER_PASSWORD{user}": "one-for-all" for user in ("", "_NODE1", "_LOOK")}
    done = start(tmp_path, users().variables() | same)
    assert done.returncode == 0
    warning = done.stderr.splitlines()[0]
    assert "give each its own: CAUSALKV_BROKER_PASSWORD_LOOK CAUSALKV_BROKER_PASSWORD_NODE1" in warning
    assert "one-for-all" not in done.stderr


def test_the_template_holds_no_password() -> None:
    """Each user's comes from a variable, which docker-compose.yml gives to the broker."""
    template = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for user in template["users"]:
        variable = re.fullmatch(r"\$\{(\w+)\}", user["password"])
        assert variable, user["name"]
        assert re.search(rf"^      {variable[1]}: ", compose, re.MULTILINE)


def test_every_node_has_the_rights_of_the_others_and_no_tags() -> None:
    """But for its own name in them."""
    definitions = json.loads(users().definitions())
    assert {each["name"]: each["tags"] for each in definitions["users"]} == {
        "guest": ["administrator", "impersonator"],
        "look": ["monitoring"],
        **{node: [] for node in NODE_IDS},
    }
    rights = {each["user"]: json.dumps(each) for each in definitions["permissions"]}
    assert rights["node2"] == rights["node1"].replace("node1", "node2")
    assert rights["node3"] == rights["node1"].replace("node1", "node3")


def test_passwords_that_are_kept_are_the_same_the_next_time(tmp_path: Path) -> None:
    """The administrator's is kept elsewhere; nobody else can read the file."""
    file = tmp_path / "passwords.json"
    first = BrokerUsers.kept_in(file, "admin", "one")
    again = BrokerUsers.kept_in(file, "admin", "two")
    assert first.passwords == {**again.passwords, "admin": "one"}
    assert len(set(first.passwords.values())) == len(first.passwords) == 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
