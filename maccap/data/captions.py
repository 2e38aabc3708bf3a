"""The one form that every caption data set takes: tables of captions and of images, kept as JSON lines."""

from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from ..core.artifacts import atomic
from ..core.errors import DataError
from .archives import reading

_CHUNK = 2**22  # bytes searched for line ends at once


@dataclass(frozen=True)
class Caption:
    """One caption of one image; `split` is train, val or test, `file_name` is empty where there are only texts."""

    image_id: int
    file_name: str
    split: str
    caption_id: int
    caption: str


def _checked(row: Caption, source: Path | str) -> Caption:
    for name, number in (("image", row.image_id), ("caption", row.caption_id)):
        if not isinstance(number, int):
            raise DataError(f"{source}: {name} id {number!r} is not an integer; number the {name}s")
    if not (isinstance(row.caption, str) and row.caption.strip()):
        raise DataError(f"{source}: caption {row.caption_id} of image {row.image_id} is empty; remove or fill it")
    return row


def check_captions(captions: list[Caption], source: Path | str) -> list[Caption]:
    """The captions, checked.

    Raises:
        DataError: none at all, an empty caption, an id that is no integer, a caption id that occurs twice, or an image
            id with two files.
    """
    if not captions:
        raise DataError(f"{source}: no captions; check that this is the right file")
    for row in captions:
        _checked(row, source)
    check_unique((row.caption_id for row in captions), "caption id", source)
    names: dict[int, str] = {}
    for row in captions:
        if names.setdefault(row.image_id, row.file_name) != row.file_name:
            raise DataError(
                f"{source}: image id {row.image_id} names two files, {names[row.image_id]} and {row.file_name}; "
                "ids must be unique"
            )
    return captions


def check_unique(ids: Iterable[int], what: str, source: Path | str) -> None:
    """Raise a DataError that names the first id to occur twice."""
    for number, count in Counter(ids).items():
        if count > 1:
            raise DataError(f"{source}: {what} {number} occurs {count} times; ids must be unique")


def _write_rows(path: Path | str, rows: Iterable[Caption] | Iterable[ImageEntry]) -> None:
    with atomic(path) as part:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(vars(row), ensure_ascii=False) + "\n" for row in rows)
        if not part.stat().st_size:
            raise DataError(f"{path}: nothing to write; the data set has no rows for this table")


def write_captions(path: Path | str, rows: Iterable[Caption]) -> None:
    """Write a caption table row by row; memory holds one row at a time.

    Raises:
        DataError: no rows, an empty caption, or an id that is no integer; nothing is left behind.
    """
    _write_rows(path, (_checked(row, path) for row in rows))


class _Lines:
    """The lines of a memory-mapped file; of each only its offset, int64, is kept in memory."""

    def __init__(self, path: Path | str) -> None:
        with reading(path):
            size = Path(path).stat().st_size
            if not size:
                raise DataError(f"{path}: is empty; delete it and run again")
            self._bytes = np.asarray(np.memmap(path, np.uint8, "r"))
        bounds = [np.zeros(1, np.int64)]
        for begin in range(0, size, _CHUNK):
            ends = np.flatnonzero(self._bytes[begin : begin + _CHUNK] == ord("\n"))
            bounds.append(ends.astype(np.int64) + (begin + 1))
        if self._bytes[-1] != ord("\n"):
            bounds.append(np.array([size], np.int64))
        self._bounds = np.concatenate(bounds)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, number: int) -> bytes:
        return self._bytes[self._bounds[number] : self._bounds[number + 1]].tobytes()


class CaptionTable(Sequence[Caption]):
    """A caption table as a sequence: memory-mapped, rows parsed when asked for, 8 bytes of memory a row.

    Index with an integer for one row, with a slice or integers (a list or an array) for a list of rows.

    Raises:
        DataError: the file is missing or empty, or its first or last line is damaged; any other damaged line when it
            is asked for.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lines = _Lines(path)
        for end in (0, -1):
            self[end]

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Caption: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> list[Caption]: ...
    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> Caption | list[Caption]:
        if isinstance(index, slice):
            return [self._row(number) for number in range(*index.indices(len(self)))]
        if isinstance(index, Iterable):
            return [self._row(operator.index(number)) for number in index]
        return self._row(operator.index(index))

    def _row(self, number: int) -> Caption:
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self.path}: row {number} of {len(self)}")
        number %= len(self)
        try:
            return _checked(Caption(**json.loads(self._lines[number])), self.path)
        except (ValueError, TypeError) as error:
            raise _not_a_row(self.path, number, "caption", error) from error


def _not_a_row(path: Path | str, number: int, what: str, error: Exception) -> DataError:
    return DataError(f"{path}: line {number + 1} is not a row of {what}s ({error}); delete the file and run again")


def read_captions(path: Path | str) -> list[Caption]:
    """All captions of a table, in memory.

    Raises:
        DataError: the file is missing or damaged, or does not pass `check_captions`.
    """
    return check_captions(list(CaptionTable(path)), path)


def references(captions: Iterable[Caption]) -> dict[int, list[str]]:
    """{image id: its captions}, in the order of the table."""
    grouped: dict[int, list[str]] = {}
    for row in captions:
        grouped.setdefault(row.image_id, []).append(row.caption)
    return grouped


@dataclass(frozen=True)
class ImageEntry:
    """One image that a data set needs, by its id and its name in the image store."""

    image_id: int
    file_name: str


def write_images(path: Path | str, entries: Iterable[ImageEntry]) -> None:
    """Write a table of images.

    Raises:
        DataError: no entries, an id that is no integer, a missing name, or an id that occurs twice.
    """
    _write_rows(path, _checked_images(list(entries), path))


def read_images_table(path: Path | str) -> list[ImageEntry]:
    """All rows of a table of images.

    Raises:
        DataError: the file is missing, empty or damaged, or would not pass `write_images`.
    """
    entries = []
    lines = _Lines(path)
    for number in range(len(lines)):
        try:
            entries.append(ImageEntry(**json.loads(lines[number])))
        except (ValueError, TypeError) as error:
            raise _not_a_row(path, number, "image", error) from error
    return _checked_images(entries, path)


def _checked_images(entries: list[ImageEntry], source: Path | str) -> list[ImageEntry]:
    for entry in entries:
        if not isinstance(entry.image_id, int):
            raise DataError(f"{source}: image id {entry.image_id!r} is not an integer; number the images")
        if not (isinstance(entry.file_name, str) and entry.file_name):
            raise DataError(f"{source}: image {entry.image_id} has no file name; the data set has no images")
    check_unique((entry.image_id for entry in entries), "image id", source)
    return entries
