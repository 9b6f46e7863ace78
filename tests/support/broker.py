"""A private RabbitMQ for tests: the installed server, started with data, ports and a name of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from infra.private_broker import PrivateBroker as InstalledBroker
from infra.private_broker import find_server
from tests.support.cluster import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


# What is short: the command that sets its limit, one that is passed at once, and the usual one.
ALARMS = {
    "memory": ("set_vm_memory_high_watermark", "0.00001", "0.4"),
    "disk": ("set_disk_free_limit", "900000GB", "1MB"),
}
ALARM_SECONDS = 30.0


def require_broker() -> None:
    """Go on only when RabbitMQ is installed: without it a test fails in CI and is skipped, loudly, elsewhere."""
    if find_server() is not None:
        return
    message = "no rabbitmq-server here: install it (on Debian: apt-get install rabbitmq-server)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(f"NOT TESTED: {message}")


class PrivateBroker(InstalledBroker):
    """A broker in a temporary directory; leaving the context ends its processes and removes the directory.

    When a test fails inside the context, the end of the broker's log is printed.
    """

    def __init__(self, *, management: bool = False) -> None:
        require_broker()
        self._temporary = Path(tempfile.mkdtemp(prefix="causalkv-broker-"))
        super().__init__(self._temporary, management=management)

    @property
    def url(self) -> str:
        """Where AMQP clients connect, with the credentials."""
        return self.amqp_url

    def configure(self, name: str, text: str) -> None:
        """Add a file of settings (``conf.d``), which counts from the next start on."""
        (self._temporary / "conf.d" / name).write_text(text, encoding="utf-8")

    @contextmanager
    def alarm(self, short_of: str) -> Iterator[None]:
        """For as long as the context lasts the broker takes no messages, as one that is short of memory or disk."""
        command, too_much, usual = ALARMS[short_of]
        self.ctl(command, too_much)
        # It looks at what it has only now and then; until it has, it takes what is published, and says nothing.
        wait_until(
            lambda: "resource_limit" in self.ctl("eval", "rabbit_alarm:get_alarms()."), "an alarm", ALARM_SECONDS
        )
        try:
            yield
        finally:
            self.ctl(command, usual)

    def wipe(self) -> None:
        """Remove all that a stopped broker has on its disk: queues, exchanges, messages, users."""
        assert not self.is_running, "stop the broker first"
        shutil.rmtree(self._temporary / "data", ignore_errors=False)

    def close(self) -> None:
        """End the broker at once and remove its data; may be called twice."""
        self.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"\n--- end of the broker's log\n{self.log_tail()}")  # noqa: T201  # pytest shows it with the failure
        self.close()
