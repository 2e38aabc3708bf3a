"""Metric files: JSON Lines whose rows say what they are about, in pairs: one file of whole sets, one of single images
or questions, which is large and follows from the predictions."""

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.artifacts import atomic, reading


def write_metrics(pair: Sequence[Path], rows: Iterable[dict[str, Any]]) -> None:
    """Write a pair of files, the rows as they come: those about whole sets, and those about a single image."""
    with ExitStack() as stack:
        parts = [stack.enter_context(atomic(path)) for path in pair]
        whole, items = (stack.enter_context(part.open("w", encoding="utf-8", newline="\n")) for part in parts)
        for row in rows:
            file = whole if row["image_id"] is None else items
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_metrics(paths: Iterable[Path | str]) -> pd.DataFrame:
    """The rows of some metric files, with the column `file` added; numbers are exactly those that were written.

    Raises:
        DataError: a file is missing or damaged.
    """
    rows = []
    for path in paths:
        told = reading(path, "cannot be read as a metric file", "delete it and run again")
        with told, Path(path).open(encoding="utf-8") as file:
            rows += [json.loads(line) | {"file": str(path)} for line in file]
    frame = pd.DataFrame(rows)
    for name in {"image_id", "question_id"}.intersection(frame.columns):  # float64 would round large ones
        frame[name] = pd.array([row.get(name) for row in rows], dtype="Int64")
    return frame
