"""One hash over a user's own folder of images, so that a changed, added or removed image reruns what reads them."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ..core.artifacts import read_json, sha256, write_text
from ..core.errors import DataError
from ..core.progress import progress

KNOWN = Path(".snakemake/folders.json")  # {file: [size, time of the last change, sha256]}, as of the last call


def folder_hash(folder: Path | str, known: Path | None = None) -> str:
    """sha256 over the names and bytes of all files below a folder; names that start with a dot do not count.

    Args:
        known: a file that remembers hashes, so that only files whose size or time has changed are read again. It may be
            deleted.

    Raises:
        DataError: a file or folder cannot be read, such as a link that leads nowhere, or is a pipe.
    """
    hashes: dict[str, list[int | str]] = {}
    if known:
        with suppress(DataError):
            hashes = read_json(known)
    now: dict[str, list[int | str]] = {}
    names = sorted(names_below(Path(folder)))
    for name in progress(names, f"reading {folder}", len(names)) if len(names) > 5000 else names:
        path = Path(folder, name)
        before = hashes.get(str(path), [])
        try:
            if path.is_fifo():
                raise OSError(0, "it is a pipe")
            state: list[int | str] = [path.stat().st_size, path.stat().st_mtime_ns]
            now[str(path)] = before if before[:2] == state else [*state, sha256(path)]
        except OSError as error:
            _refuse(error, path)
    if known and any(hashes.get(path) != about for path, about in now.items()):
        write_text(known, json.dumps(hashes | now))
    lines = "".join(f"{about[2]}  {name}\n" for name, about in zip(names, now.values(), strict=True))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def names_below(folder: Path) -> Iterator[str]:
    """Names of all files below a folder, but those that start with a dot or lie in such a folder; links are followed.

    Raises:
        DataError: a folder cannot be read.
    """
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.relpath(os.path.join(place, name), folder) for name in files if not name.startswith("."))


def _refuse(error: OSError, path: Path | None = None) -> NoReturn:
    place = path or error.filename
    raise DataError(f"{place}: cannot be read ({error.strerror}); repair it, or take it out") from error
