"""Metric files: JSON Lines, one row for the corpus and one for each image or question, with what it is about."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.artifacts import atomic
from ..core.errors import DataError


def write_metrics(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write the rows of a metric file as they come."""
    with atomic(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_metrics(paths: Iterable[Path | str]) -> pd.DataFrame:
    """The rows of some metric files, with the column `file` added; numbers are exactly those that were written.

    Raises:
        DataError: a file is missing or damaged.
    """
    rows = []
    for path in paths:
        try:
            with Path(path).open(encoding="utf-8") as file:
                rows += [json.loads(line) | {"file": str(path)} for line in file]
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read as a metric file ({error}); delete it and run again") from error
    return pd.DataFrame(rows)
