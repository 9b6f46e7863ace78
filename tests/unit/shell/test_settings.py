"""Configuration: every wrong value is one line that names the variable and says what would be right."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from node.errors import ConfigurationError
from node.settings import MIB, Settings, load_settings
from node.transport.reconnect import without_secrets

PASSWORD = "s3cret-word"  # noqa: S105  # it must not appear anywhere

# variable, value, words of the line
WRONG = [
    ("NODE_ID", "node 1", "String should match pattern"),
    ("NODE_ID", "nöde", "String should match pattern"),
    ("NODE_ID", "n" * 65, "{1,64}"),
    ("NODE_ID", "node1~t5k2m1", "String should match pattern"),
    ("NODE_ID", "node1\n", "String should match pattern"),
    ("NODES", "node1,,node3", "'' is not a node id: use 1 to 64 letters, digits, '_' or '-', comma-separated"),
    ("NODES", "node1;node2", "is not a node id"),
    ("NODES", "node1,node2,node1", "stands in the list twice"),
    ("AMQP_URL", "127.0.0.1:5672", "use amqp://user:password@host:5672/%2F"),
    ("AMQP_URL", f"http://guest:{PASSWORD}@localhost", "use amqp://"),
    ("AMQP_URL", f"amqp://guest:{PASSWORD}@localhost:port", "the port is not a number from 0 to 65535"),
    ("AMQP_URL", f"amqp://guest:{PASSWORD}@localhost:99999", "the port is not a number"),
    ("AMQP_URL", f"amqp://guest:{PASSWORD}@", "use amqp://"),
    ("AMQP_URL", f"memory://,amqp://guest:{PASSWORD}@localhost", "use amqp://"),
    ("AMQP_URL", f"amqp://guest:{PASSWORD}@localhost,", "use amqp://"),
    ("TRUSTED_BROKER_USERS", "guest,,admin", "a name in the list is empty: name broker users, comma-separated"),
    ("QUEUE_TYPE", "mirrored", "'classic' or 'quorum'"),
    ("HTTP_PORT", "eight", "valid integer"),
    ("HTTP_PORT", "0", "greater than or equal to 1"),
    ("HTTP_PORT", "65536", "less than or equal to 65535"),
    ("HTTP_PORT", "80.5", "valid integer"),
    ("CLUSTER", "a.b", "String should match pattern"),
    ("CLUSTER", "c" * 65, "{1,64}"),
    ("ADVERTISED_URL", "127.0.0.1:8001", "use an address such as http://127.0.0.1:8001"),
    ("ADVERTISED_URL", "http://", "use an address such as http://127.0.0.1:8001"),
    ("FAULTS", "maybe", "valid boolean"),
    ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("LOG_FORMAT", "xml", "'auto', 'json' or 'console'"),
    ("LOG_WRITES_PER_SECOND", "-1", "greater than or equal to 0"),
    ("VALUE_MAX_BYTES", "0", "greater than or equal to 1"),
    ("VALUE_MAX_BYTES", str(8 * MIB + 1), f"less than or equal to {8 * MIB}"),
    ("STORE_MAX_BYTES", "1000000", f"greater than or equal to {16 * MIB}"),
    ("OUTBOX_MAX_WRITES", "0", "greater than or equal to 1"),
    ("HTTP_THREADS", "1", "greater than or equal to 2"),
    ("HTTP_THREADS", "513", "less than or equal to 512"),
    ("HTTP_RUNNING_THREADS", "0", "greater than or equal to 1"),
    ("HTTP_MAX_CONNECTIONS", "9", "greater than or equal to 10"),
    ("WAITING_MAX_REQUESTS", "0", "greater than or equal to 1"),
    ("WAITING_MAX_REQUESTS", "4097", "less than or equal to 4096"),
    ("ACK_WAITING_MAX_REQUESTS", "0", "greater than or equal to 1"),
    ("ACK_WAITING_MAX_REQUESTS", "4097", "less than or equal to 4096"),
    ("REQUESTS_MAX_REMEMBERED", "0", "greater than or equal to 1"),
    ("WATCH_MAX_WATCHERS", "0", "greater than or equal to 1"),
    ("WATCH_MAX_WATCHERS", "10001", "less than or equal to 10000"),
    ("WATCH_MAX_STATES", "0", "greater than or equal to 1"),
    ("WATCH_MAX_STATES", "257", "less than or equal to 256"),
    ("RESTORED", "perhaps", "boolean"),
    ("EVENTS_MAX", "99", "greater than or equal to 100"),
    ("EVENTS_MAX", "1000001", "less than or equal to 1000000"),
    ("EVENTS_MAX_STREAMS", "0", "greater than or equal to 1"),
    ("EVENTS_MAX_STREAMS", "10001", "less than or equal to 10000"),
    ("HELD_MAX_WRITES", "9", "greater than or equal to 10"),
    ("COMMIT_MAX_WRITES", "0", "greater than or equal to 1"),
    ("PACK_MAX_WRITES", "10001", "less than or equal to 10000"),
    ("PACK_MAX_BYTES", "1000", "greater than or equal to 1024"),
    ("PACK_MAX_BYTES", "16777216", f"less than or equal to {8 * MIB}"),
    ("PUBLISH_WINDOW_MESSAGES", "0", "greater than or equal to 1"),
    ("QUEUE_MAX_MESSAGES", "99", "greater than or equal to 100"),
    ("QUEUE_MAX_MESSAGES", "100000000000000000000", "less than or equal to 1000000000000000"),
    ("STORE_MAX_BYTES", "1000000000000000000", "less than or equal to 70368744177664"),
    ("CLOCK_SKEW_WARN_SECONDS", "0", "greater than 0"),
    ("CLOCK_SKEW_WARN_SECONDS", "inf", "less than or equal to 1000000000"),
    ("CLOCK_SKEW_WARN_SECONDS", "nan", "less than or equal to 1000000000"),
    ("REPAIR_AFTER_SECONDS", "0", "greater than 0"),
    ("REPAIR_AFTER_SECONDS", "3601", "less than or equal to 3600"),
    ("SNAPSHOT_FROM_WRITES", "0", "greater than or equal to 1"),
    ("MEMBER_AWAY_SECONDS", "4", "greater than or equal to 5"),
    ("MEMBER_AWAY_SECONDS", "inf", "less than or equal to 1000000000"),
    ("REPAIR_AFTER_SECONDS", "nan", "less than or equal to 3600"),
    ("HISTORY_KEEP_WRITES", "-1", "greater than or equal to 0"),
    ("HISTORY_MAX_WRITES", "999", "greater than or equal to 1000"),
    ("PREFETCH_MESSAGES", "many", "valid integer"),
    ("BROKER_HEARTBEAT_SECONDS", "1", "greater than or equal to 5"),
]
# Any path can be a data directory, any name may be a host, any text a password: they show when they are used.
WITHOUT_WRONG_VALUES = {"data_dir", "http_host", "amqp_password"}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the shell that runs the tests, and one node id."""
    for name in list(os.environ):
        if name.upper().startswith("CAUSALKV_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CAUSALKV_NODE_ID", "node1")


def refusal(*arguments: str) -> str:
    """The one line that a configuration is refused with."""
    with pytest.raises(ConfigurationError) as error:
        load_settings(list(arguments))
    line = str(error.value)
    assert "\n" not in line
    assert PASSWORD not in line
    assert error.value.__cause__ is None
    return line


@pytest.mark.parametrize(("variable", "value", "words"), WRONG)
def test_a_wrong_variable_is_named_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    """One line: the variable, what is wrong with it, and what it is for."""
    monkeypatch.setenv(f"CAUSALKV_{variable}", value)
    line = refusal()
    assert line.startswith(f"CAUSALKV_{variable}: ")
    assert words in line
    description = Settings.model_fields[variable.lower()].description
    assert description is not None
    assert line.endswith(description)


@pytest.mark.parametrize(("variable", "value", "words"), WRONG)
def test_a_wrong_flag_is_refused_as_the_variable_is(variable: str, value: str, words: str) -> None:
    """A flag is the same setting by another way."""
    line = refusal(f"--{variable.lower().replace('_', '-')}={value}")
    assert line.startswith(f"CAUSALKV_{variable}: ")
    assert words in line


def test_every_setting_is_tried_with_a_wrong_value() -> None:
    """A new setting needs its line above."""
    assert {variable.lower() for variable, _, _ in WRONG} | WITHOUT_WRONG_VALUES == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Compose files and shells pass on what is not set as empty: the default would be a guess."""
    monkeypatch.setenv(f"CAUSALKV_{name.upper()}", "")
    assert refusal() == f"CAUSALKV_{name.upper()}: is set but empty: give it a value or unset it"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_an_empty_flag_is_refused(name: str) -> None:
    """An empty data directory would be the working directory."""
    flag = f"--{name.replace('_', '-')}"
    assert refusal(flag, "").startswith(f"{flag} is empty: give it a value or leave it out")


def test_tokens_that_would_protect_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """This version knows none: to start as if they were in force would serve everybody."""
    monkeypatch.setenv("CAUSALKV_TOKENS_FILE", "/etc/causalkv/tokens")
    assert refusal().startswith("CAUSALKV_TOKENS_FILE: this version has no API tokens")


def test_a_missing_node_id_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one setting without a default."""
    monkeypatch.delenv("CAUSALKV_NODE_ID")
    assert refusal() == "CAUSALKV_NODE_ID: is not set: this node's name, e.g. node1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--colour=red"], "unknown argument: '--colour'"),
        (["--http-prt", "8001"], "unknown argument: '--http-prt'"),
        ([f"--amqp-ulr=amqp://guest:{PASSWORD}@host"], "unknown argument: '--amqp-ulr'"),
        ([f"amqp://guest:{PASSWORD}@host"], "unknown argument: 'a value without a flag'"),
        (["--amqp-ulr", f"amqp://guest:{PASSWORD}@host"], "unknown argument: '--amqp-ulr'"),
        (["--x\ny"], "unknown argument: '--x\\ny'"),
        (["--http", "1.2.3.4"], "unknown argument: '--http'"),
        (["--http-port"], "expected one argument"),
    ],
)
def test_an_unknown_flag_is_one_line_that_shows_no_value(arguments: list[str], words: str) -> None:
    """A mistyped flag must not print the password behind it; a flag is never guessed from its beginning."""
    line = refusal(*arguments)
    assert words in line
    assert line.endswith("python -m node --help lists the flags")


def test_flags_mean_what_variables_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting can be given either way."""
    values = {
        "node_id": "node7",
        "nodes": "node7, node8",
        "amqp_url": "amqp://a:b@one:1/x,amqps://c@two",
        "amqp_password": "p",
        "trusted_broker_users": "guest, admin",
        "queue_type": "quorum",
        "http_host": "0.0.0.0",  # noqa: S104  # only a setting
        "http_port": "8123",
        "data_dir": "/somewhere/else",
        "cluster": "other",
        "advertised_url": "https://node7.example",
        "faults": "1",
        "restored": "1",
        "log_level": "debug",
        "log_format": "json",
        "log_writes_per_second": "0",
        "value_max_bytes": "10",
        "store_max_bytes": str(32 * MIB),
        "outbox_max_writes": "11",
        "http_threads": "12",
        "http_running_threads": "3",
        "http_max_connections": "13",
        "waiting_max_requests": "14",
        "ack_waiting_max_requests": "114",
        "requests_max_remembered": "1140",
        "watch_max_watchers": "1141",
        "watch_max_states": "142",
        "events_max": "1143",
        "events_max_streams": "144",
        "held_max_writes": "115",
        "commit_max_writes": "15",
        "pack_max_writes": "16",
        "pack_max_bytes": "2048",
        "publish_window_messages": "17",
        "queue_max_messages": "117",
        "clock_skew_warn_seconds": "2.5",
        "repair_after_seconds": "1.5",
        "snapshot_from_writes": "118",
        "member_away_seconds": "119",
        "history_keep_writes": "120",
        "history_max_writes": "1121",
        "prefetch_messages": "18",
        "broker_heartbeat_seconds": "19",
    }
    assert set(values) == set(Settings.model_fields)
    by_flags = load_settings([f"--{name.replace('_', '-')}={value}" for name, value in values.items()])
    for name, value in values.items():
        monkeypatch.setenv(f"CAUSALKV_{name.upper()}", value)
    by_variables = load_settings([])
    assert by_flags == by_variables
    assert by_flags.nodes == ("node7", "node8")
    assert by_flags.amqp_urls == ("amqp://a:p@one:1/x", "amqps://c:p@two")
    assert by_flags.trusted_broker_users == ("guest", "admin")
    assert by_flags.faults is True
    assert by_flags.data_path == Path("/somewhere/else")


def test_a_flag_goes_before_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands nearer wins."""
    monkeypatch.setenv("CAUSALKV_HTTP_PORT", "8001")
    assert load_settings(["--http-port", "8002"]).http_port == 8002


def test_the_defaults_are_the_documented_ones() -> None:
    """Outside programs rely on them."""
    settings = load_settings([])
    assert settings.nodes == ("node1", "node2", "node3")
    assert settings.amqp_url == "amqp://guest:guest@127.0.0.1:5672/%2F"
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8000)
    assert settings.data_path == Path("data/node1")
    assert settings.cluster == "causalkv"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.faults is False
    assert settings.value_max_bytes == MIB


def test_the_password_may_stand_apart_from_the_address_in_whatever_characters() -> None:
    """So that one variable serves a broker, which takes it as it is, and an address, which needs it encoded."""
    password = "p/a:s@s %41?#[ü'\"\\"  # noqa: S105  # of nobody
    address = "amqp://node1:former@broker:5672/%2F,amqps://node1@[::1]/x?heartbeat=5"
    settings = load_settings(["--amqp-url", address, f"--amqp-password={password}"])
    for url in settings.amqp_urls:
        parts = urlsplit(url)
        assert (parts.username, unquote(parts.password or "")) == ("node1", password)
    assert [without_secrets(url) for url in settings.amqp_urls] == [
        "amqp://node1@broker:5672/%2F",
        "amqps://node1@[::1]/x",
    ]
    assert password not in repr(settings)


def test_a_password_apart_from_an_address_that_names_no_user_is_refused() -> None:
    """In one line, which does not show it; over the in-process fanout it means nothing."""
    line = refusal("--amqp-url=amqp://broker/%2F", f"--amqp-password={PASSWORD}")
    assert line.startswith("CAUSALKV_AMQP_PASSWORD: CAUSALKV_AMQP_URL must name the user: amqp://user@host:5672/%2F")
    assert load_settings(["--amqp-url=memory://", "--amqp-password=x"]).amqp_urls == ("memory://",)


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("amqp://node1:p@broker/%2F", True),
        ("amqp://node1@one/%2F,amqps://node1:p@two/%2F", True),
        ("amqp://node1@one/%2F,amqp://guest:guest@two/%2F", False),
        ("amqp://node2:p@broker/%2F", False),
        ("amqp://broker/%2F", False),
        ("memory://", False),
    ],
)
def test_a_node_has_a_broker_user_of_its_own_when_every_address_names_it(url: str, *, has: bool) -> None:
    """Only then can others be asked for the same."""
    assert load_settings(["--amqp-url", url]).has_own_broker_user is has


@pytest.mark.parametrize(("host", "url"), [("::1", "http://[::1]:8000"), ("localhost", "http://localhost:8000")])
def test_the_public_address_is_one_that_clients_can_use(host: str, url: str) -> None:
    """An IPv6 address stands in brackets."""
    assert load_settings(["--http-host", host]).public_url == url


def test_help_names_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks finds all of them in one place."""
    with pytest.raises(SystemExit) as end:
        load_settings(["--help"])
    assert end.value.code == 0
    shown = "".join(capsys.readouterr().out.split())
    for name in Settings.model_fields:
        assert f"CAUSALKV_{name.upper()}" in shown
