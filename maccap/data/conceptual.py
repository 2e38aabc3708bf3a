"""Conceptual Captions: `Train_GCC-training.tsv`, a caption and the image's URL on each line. Texts only."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..core.artifacts import ANEW, decoded, disguise, reading
from ..core.errors import DataError
from .archives import opened
from .captions import Caption

FORMAT = {
    "description": "captions alone, without images",
    "keys": ("train", "val"),
    "splits": ("train", "val"),
    "images": False,
}
SCHEMES = ("http://", "https://")  # of addresses
ADDRESS = re.compile(r"[\s\"']*[a-z][a-z0-9+.-]*://", re.IGNORECASE)  # at the start of a caption


def read_splits(files: dict[str, Path], members: dict[str, str]) -> dict[str, Iterator[Caption]]:
    """{split: its captions} of one table for each split."""
    return {split: read_conceptual(files[split], split) for split in ("train", "val")}


def read_conceptual(path: Path | str, split: str) -> Iterator[Caption]:
    """The captions line by line, of a plain or gzipped file; memory holds one line at a time.

    There are no images: `file_name` is empty, and both ids are the line's number from 0.

    Raises:
        DataError: the file is missing or damaged, a web page or empty; or a line, which is named, is not UTF-8, ends
            with a carriage return alone, has no tab, no address, or no caption or an address as such.
    """
    number = -1
    with reading(path), opened(path) as file:
        for number, line in enumerate(file):
            place = f"{path}: line {number + 1}"
            if number == 0 and (what := disguise(line)):
                raise DataError(f"{path}: {what}; {ANEW}")
            caption, tab, url = decoded(line, path, number + 1).partition("\t")
            if not tab:
                raise DataError(f"{place} has no tab between caption and URL; {ANEW}")
            if not url.lower().startswith(SCHEMES):
                raise DataError(f"{place} has no address in column 2, but {url[:40].strip()!r}; give caption, tab, URL")
            if "\r" in url.strip():
                raise DataError(f"{place} ends with a carriage return alone; end lines with a line feed")
            if ADDRESS.match(caption):
                raise DataError(f"{place} has an address as its caption, {caption[:40]!r}; give caption, tab, URL")
            if not caption.strip():
                raise DataError(f"{place} has an empty caption; remove the line")
            yield Caption(number, "", split, number, " ".join(caption.split()))
    if number < 0:
        raise DataError(f"{path}: is empty; {ANEW}")
