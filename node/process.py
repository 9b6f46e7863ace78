"""A process that is one node, until SIGTERM or SIGINT.

Exit codes: 0 stopped, 1 the data are in use, damaged or failed, 2 the configuration is wrong.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

from node import garbage
from node.errors import CausalKVError, ConfigurationError, StoreMisplacedError
from node.logs import configure_logging
from node.node import Node
from node.settings import load_settings

if TYPE_CHECKING:
    from types import FrameType


def main() -> int:
    """Run a node; returns the exit code."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        settings = load_settings(sys.argv[1:])
        configure_logging(level=settings.log_level, form=settings.log_format, node_id=settings.node_id)
        node = Node(settings, ended)
        node.start()
        garbage.look_seldom()
    except (ConfigurationError, StoreMisplacedError) as error:
        return _refuse(error, 2)
    except CausalKVError as error:
        return _refuse(error, 1)
    ended.wait()
    node.stop()
    return 0 if node.failure is None else _refuse(node.failure, 1)


def _refuse(error: CausalKVError, exit_code: int) -> int:
    sys.stderr.write(f"causalkv: {error}\n")
    return exit_code
