"""The one form that every caption data set takes: a table of captions, kept as JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from ..artifacts import write_text
from ..errors import DataError


@dataclass(frozen=True)
class Caption:
    """One caption of one image; `split` is train, val or test."""

    image_id: int
    file_name: str
    split: str
    caption_id: int
    caption: str


def check_captions(captions: list[Caption], source: Path | str) -> list[Caption]:
    """The captions, checked.

    Raises:
        DataError: none at all, an empty caption, a caption id that occurs twice, or an image id with two files.
    """
    if not captions:
        raise DataError(f"{source}: no captions; check that this is the right file")
    for row in captions:
        if not (isinstance(row.caption, str) and row.caption.strip()):
            raise DataError(f"{source}: caption {row.caption_id} of image {row.image_id} is empty; remove or fill it")
    counts = Counter(row.caption_id for row in captions)
    if twice := [i for i, n in counts.items() if n > 1]:
        raise DataError(f"{source}: caption id {twice[0]} occurs {counts[twice[0]]} times; ids must be unique")
    names: dict[int, str] = {}
    for row in captions:
        if names.setdefault(row.image_id, row.file_name) != row.file_name:
            raise DataError(
                f"{source}: image id {row.image_id} names two files, {names[row.image_id]} and {row.file_name}; "
                "ids must be unique"
            )
    return captions


def write_captions(path: Path | str, captions: list[Caption]) -> None:
    write_text(path, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in captions))


def read_captions(path: Path | str, split: str | None = None) -> list[Caption]:
    """All captions of a table, or of one split of it.

    Raises:
        DataError: the file is missing or damaged, or has no such split.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        captions = [Caption(**json.loads(line)) for line in lines if line]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; run the rule that makes it (snakemake {path})") from error
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: not a caption table ({error}); delete it and run again") from error
    chosen = [row for row in captions if split in (None, row.split)]
    return check_captions(chosen, f"{path} (split {split})" if split else path)


def references(captions: list[Caption]) -> dict[int, list[str]]:
    """{image id: its captions}, in the order of the table."""
    grouped: dict[int, list[str]] = {}
    for row in captions:
        grouped.setdefault(row.image_id, []).append(row.caption)
    return grouped
