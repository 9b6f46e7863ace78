"""``python -m client export`` and ``import``."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from client import render
from client.invocation import Options, command, kept_session, say
from client.progress import ProgressBar
from client.transfer.exporting import BrokenOffError, Exporter
from client.transfer.importing import Importer
from client.transfer.lines import LineReader
from client.values import STANDARD_INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.transfer.lines import EndLine

ATTEMPTS = 3
BUFFER_BYTES = 1024 * 1024

Prefix = Annotated[str, typer.Option("--prefix", help="Only keys, counters and sets that begin so.")]


@command
def export(
    options: Options,
    file: Annotated[str, typer.Argument(help="Where to; - writes to standard output.", metavar="FILE")],
    prefix: Prefix = "",
) -> None:
    """Write the whole store, as it stands at one moment, to FILE: JSON Lines, a line for each key, counter, set.

    It is one causal cut: no effect is in it without its cause. FILE is there when it is complete, and not before.

    Example: python -m client export store.jsonl --prefix user/
    """
    with kept_session(options) as session, ProgressBar() as bar:
        exporter = Exporter(session, prefix, options.node)
        if file == STANDARD_INPUT:
            end = exporter.write(sys.stdout.buffer.write, bar.show)
            sys.stdout.buffer.flush()
        else:
            retrying = Retrying(
                retry=retry_if_exception_type(BrokenOffError), stop=stop_after_attempt(ATTEMPTS), reraise=True
            )
            for attempt in retrying:
                with attempt:
                    exporter = Exporter(session, prefix, options.node)
                    end = _export_to(Path(file), exporter, bar)
    found = {**_summary(end), "with_siblings": exporter.with_siblings, "token": end.token}
    if options.json and file != STANDARD_INPUT:
        render.show_json(found)
    else:
        say(f"exported {end.keys} keys, {end.counters} counters, {end.sets} sets with {end.members} members")


def _export_to(path: Path, exporter: Exporter, bar: ProgressBar) -> EndLine:
    """Write beside the file, and put it in its place when it is complete and on the disk."""
    draft = path.with_name(f"{path.name}.partial")
    try:
        with draft.open("wb", buffering=BUFFER_BYTES) as output:
            end = exporter.write(output.write, bar.show)
            output.flush()
            os.fsync(output.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    draft.replace(path)
    return end


@command
def import_(
    options: Options,
    file: Annotated[str, typer.Argument(help="What export wrote; - reads standard input.", metavar="FILE")],
    prefix: Prefix = "",
) -> None:
    """Write what FILE has into the store: keys and set members are put there, counters are added to.

    A file is checked to its end before anything is written. What is wrong is named by its line. Of concurrent values
    the winner is written. An import may be repeated, also one that broke off: counters are not added to twice
    when that is within an hour, which is how long nodes remember.

    Example: python -m client export - | CAUSALKV_URLS=http://other:8001 python -m client import -
    """
    with _opened(file) as (source, size_bytes), kept_session(options) as session, ProgressBar() as bar:
        if size_bytes is not None:
            _check(source, size_bytes, bar)
        importer = Importer(session, prefix, options.node)
        reader = LineReader(source)
        imported = importer.read(
            reader, lambda at: bar.show(f"{at.number} lines", at.read_bytes / size_bytes if size_bytes else None)
        )
    if options.json:
        render.show_json(asdict(imported))
    else:
        render.line(
            f"imported {imported.keys} keys, {imported.counters} counters, {imported.members} members of sets"
            + (f"; {imported.outside} lines are outside of {prefix!r}" if imported.outside else "")
        )
    if imported.siblings:
        say(f"{imported.siblings} keys had concurrent values: the one that a plain read shows was written")


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and its size; the size of what cannot be read twice is None."""
    if file == STANDARD_INPUT:
        yield sys.stdin.buffer, None
        return
    with Path(file).open("rb", buffering=BUFFER_BYTES) as source:
        yield source, os.fstat(source.fileno()).st_size if source.seekable() else None


def _check(source: BinaryIO, size_bytes: int, bar: ProgressBar) -> None:
    """Read all of it once, so that a file that is cut off or damaged changes nothing."""
    reader = LineReader(source)
    reader.header()
    for _ in reader.lines():
        if reader.number % 1000 == 0:
            bar.show("checking the file", reader.read_bytes / size_bytes)
    source.seek(0)


def _summary(end: EndLine) -> dict[str, int]:
    return {"keys": end.keys, "counters": end.counters, "sets": end.sets, "members": end.members, "lines": end.lines}
