"""Hashes of a user's own files: a changed, added or removed one reruns what reads it, whatever its time says."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ..core.artifacts import read_json, sha256, unreadable, write_text
from ..core.errors import DataError, MaccapError
from ..core.progress import progress

KNOWN = Path(".snakemake/folders.json")  # {file: its state, with its sha256}, as of the last call
LONG = 2**30  # bytes that take seconds to read


def folder_hash(folder: Path | str, known: Path | None = None) -> str:
    """sha256 over the names and bytes of all files below a folder; names that start with a dot do not count.

    Args:
        known: a file that remembers hashes, so that only files whose state has changed are read again. It may be
            deleted.

    Raises:
        DataError: a file or folder cannot be read, such as a link that leads nowhere, or is a pipe.
    """
    return _over({name: str(Path(folder, name)) for name in sorted(names_below(Path(folder)))}, known)


def files_hash(paths: Iterable[str], known: Path | None = None) -> str:
    """The same over some files, by their paths; of those alone that are there, and empty if none is."""
    there = {path: path for path in sorted(paths) if os.path.isfile(path)}
    return _over(there, known) if there else ""


def names_below(folder: Path) -> Iterator[str]:
    """Names of all files below a folder, but those that start with a dot or lie in such a folder; links are followed.

    Raises:
        DataError: a folder cannot be read.
    """
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.relpath(os.path.join(place, name), folder) for name in files if not name.startswith("."))


def _over(files: dict[str, str], known: Path | None) -> str:
    """The hash over files, {name: path}."""
    before: dict[str, list[int | str]] = {}
    if known:
        with suppress(DataError):
            before = read_json(known)
    states = {path: _state(path) for path in files.values()}
    hashes = {path: before[path][-1] for path, state in states.items() if before.get(path, [])[:-1] == state}
    unread = [path for path in states if path not in hashes]
    long = sum(int(states[path][0]) for path in unread) > LONG
    for path in progress(unread, "reading files", len(unread)) if long else unread:
        try:
            hashes[path] = sha256(path)
        except OSError as error:
            _refuse(error, path)
    if known and unread:
        with suppress(MaccapError, OSError):
            write_text(known, json.dumps(before | {path: [*states[path], hashes[path]] for path in unread}))
    lines = "".join(f"{hashes[path]}  {name}\n" for name, path in files.items())
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _state(path: str) -> list[int | str]:
    """What tells that a file was not touched: size, times of its content and of its entry, and number on its disk."""
    try:
        if Path(path).is_fifo():
            raise OSError(0, "it is a pipe")
        about = os.stat(path)
    except OSError as error:
        _refuse(error, path)
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


def _refuse(error: OSError, path: str | None = None) -> NoReturn:
    raise unreadable(path or error.filename, error) from error
