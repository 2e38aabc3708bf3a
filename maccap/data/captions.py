"""The one form that every caption data set takes: tables of captions and of images, kept as JSON lines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np

from ..core.artifacts import AGAIN, atomic, reading
from ..core.errors import DataError
from .checks import check_file_name, check_id, check_text, check_unique


@dataclass(frozen=True)
class Caption:
    """One caption of one image; `split` is train, val or test, `file_name` is empty where there are only texts."""

    image_id: int
    file_name: str
    split: str
    caption_id: int
    caption: str


@dataclass(frozen=True)
class ImageEntry:
    """One image that a data set needs, by its id and its name in the image store."""

    image_id: int
    file_name: str


Row = TypeVar("Row", Caption, ImageEntry)


def _checked(row: Row, source: Path | str) -> Row:
    check_id(row.image_id, "image", source)
    if isinstance(row, Caption):
        check_id(row.caption_id, "caption", source)
        what = f"caption {row.caption_id} of image {row.image_id}"
        if not any(sign.isprintable() and not sign.isspace() for sign in str(row.caption or "")):
            raise DataError(f"{source}: {what} is empty; remove or fill it")
        check_text(row.caption, what, source)
    elif row.file_name == "":
        raise DataError(f"{source}: image {row.image_id} has no file name; the data set has no images")
    if row.file_name != "":
        check_file_name(row.file_name, f"image {row.image_id}", source)
    return row


def check_captions(captions: list[Caption], source: Path | str) -> list[Caption]:
    """The captions, checked.

    Raises:
        DataError: none at all, an empty caption or one that UTF-8 cannot hold, an id that is no integer of 64 bits, a
            caption id that occurs twice, an image id with two files, or a file name that leads outside.
    """
    if not captions:
        raise DataError(f"{source}: no captions; check that this is the right file")
    names: dict[int, str] = {}
    for row in captions:
        _checked(row, source)
        if names.setdefault(row.image_id, row.file_name) != row.file_name:
            raise DataError(
                f"{source}: image id {row.image_id} names two files, {names[row.image_id]} and {row.file_name}; "
                "ids must be unique"
            )
    check_unique((row.caption_id for row in captions), "caption", source)
    return captions


def _write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    with atomic(path) as part:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(vars(_checked(row, path)), ensure_ascii=False) + "\n" for row in rows)
        if not part.stat().st_size:
            raise DataError(f"{path}: nothing to write; the data set has no rows for this table")


def write_captions(path: Path | str, rows: Iterable[Caption]) -> None:
    """Write a caption table row by row; memory holds one row at a time.

    Raises:
        DataError: no rows, or one that `check_captions` would refuse by itself; nothing is left behind.
    """
    _write_rows(path, rows)


def write_images(path: Path | str, entries: Sequence[ImageEntry]) -> None:
    """Write a table of images.

    Raises:
        DataError: no entries, an id that is no integer of 64 bits or occurs twice, a file name that is missing or
            leads outside.
    """
    check_unique((entry.image_id for entry in entries), "image", path)
    _write_rows(path, entries)


class _Table(Sequence[Row], Generic[Row]):
    """The rows of a file, memory-mapped; in memory is kept only where each line begins, int64."""

    kind: ClassVar[type]
    what: ClassVar[str]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with reading(path), self.path.open("rb") as lines:
            self._bounds = np.fromiter(accumulate(map(len, lines), initial=0), np.int64)
            if not len(self):
                raise DataError(f"{path}: is empty; {AGAIN}")
            self._bytes = np.asarray(np.memmap(path, np.uint8, "r"))
        for end in (0, -1):
            self[end]

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, index: int) -> Row:  # type: ignore[override]
        number = range(len(self))[index]
        line = self._bytes[self._bounds[number] : self._bounds[number + 1]].tobytes()
        try:
            return _checked(self.kind(**json.loads(line)), self.path)
        except (ValueError, TypeError) as error:
            fault = str(error).removeprefix(f"{self.kind.__name__}.__init__() ")
            raise DataError(
                f"{self.path}: line {number + 1} is not a row of {self.what}s ({fault}); {AGAIN}"
            ) from error


class CaptionTable(_Table[Caption]):
    """A caption table as a sequence: memory-mapped, rows parsed when asked for, 8 bytes of memory a row.

    Raises:
        DataError: the file is missing or empty, or its first or last line is damaged; any other damaged line when it
            is asked for.
    """

    kind, what = Caption, "caption"


class _ImageTable(_Table[ImageEntry]):
    kind, what = ImageEntry, "image"


def read_captions(path: Path | str) -> list[Caption]:
    """All captions of a table, in memory.

    Raises:
        DataError: the file is missing or damaged, or does not pass `check_captions`.
    """
    return check_captions(list(CaptionTable(path)), path)


def read_images_table(path: Path | str) -> list[ImageEntry]:
    """All rows of a table of images.

    Raises:
        DataError: the file is missing, empty or damaged, or would not pass `write_images`.
    """
    entries = list(_ImageTable(path))
    check_unique((entry.image_id for entry in entries), "image", path)
    return entries


def rows_by_image(captions: Iterable[Caption]) -> dict[int, list[int]]:
    """{image id: the numbers of its rows}, in the order of the table."""
    grouped: dict[int, list[int]] = {}
    for number, row in enumerate(captions):
        grouped.setdefault(row.image_id, []).append(number)
    return grouped


def references(captions: Sequence[Caption]) -> dict[int, list[str]]:
    """{image id: its captions}, in the order of the table."""
    return {image: [captions[n].caption for n in rows] for image, rows in rows_by_image(captions).items()}
