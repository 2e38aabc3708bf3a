"""Predicted captions and answers as JSON Lines: each row says what it is about, so a file's name says nothing.

A file named `.gz` is packed by gzip (pandas reads it as it stands).

A row of predictions has the columns `trained`, `experiment`, `tested`, `seed` (null for what others published),
`image_id` and `caption`; what is scored here has `image_cosine`, CLIP's cosine of caption and image, and
`reference_cosine`, that of the caption and the nearest of the references that it is scored against; where they apply
`candidates` and their `scores` (cosines to the image), `left_out_reference` (the number of the reference that a human's
caption was taken from) and `published`. A row of answers has `trained`, `vqa_method`, `tested`, `seed`, `question_id`
and `answer`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ..core.artifacts import AGAIN, atomic, reading
from ..core.errors import DataError
from .checks import check_id, check_text, is_integer

if TYPE_CHECKING:
    import pandas as pd

PREDICTION = ("trained", "experiment", "tested", "seed", "image_id", "caption")
PREDICTION_EXTRAS = ("image_cosine", "reference_cosine", "candidates", "scores", "left_out_reference", "published")
ANSWER = ("trained", "vqa_method", "tested", "seed", "question_id", "answer")
NULLABLE = {"seed": "Int64", "left_out_reference": "Int64", "published": "boolean"}
INTEGERS = [name for name, kind in NULLABLE.items() if kind == "Int64"]
TYPES: dict[str, type | tuple[type, ...]] = {
    "seed": (int, type(None)), "image_cosine": float, "reference_cosine": float, "candidates": list,
    "scores": list, "left_out_reference": int, "published": bool,
}  # fmt: skip


def write_predictions(path: Path | str, rows: Iterable[dict[str, Any]]) -> None:
    """Write predictions, one row a line; of the columns that not every row needs, those that the row has.

    Raises:
        DataError: a row lacks a column, has one that predictions do not have, or holds a value of another type.
    """
    _write(path, rows, PREDICTION, PREDICTION_EXTRAS)


def write_answers(path: Path | str, rows: Iterable[dict[str, Any]]) -> None:
    """Write answers, one row a line; raises like `write_predictions`."""
    _write(path, rows, ANSWER)


def read_predictions(paths: Iterable[Path | str]) -> pd.DataFrame:
    """All predictions of some files, in their order; every column is there, empty where no row has it.

    `seed` and `left_out_reference` are nullable integers (Int64), `published` is a nullable boolean.

    Raises:
        DataError: a file is missing, a line is damaged or lacks a column, or a caption occurs twice.
    """
    return _read(paths, PREDICTION, PREDICTION_EXTRAS)


def read_answers(paths: Iterable[Path | str]) -> pd.DataFrame:
    """All answers of some files, in their order; `seed` is nullable (Int64); raises like `read_predictions`."""
    return _read(paths, ANSWER)


def holds_answers(path: Path | str) -> bool:
    """Whether a file holds answers, judged by the columns of its first line.

    Raises:
        DataError: the file is missing or empty, or its first line holds neither predictions nor answers.
    """
    row = next(_rows(Path(path)), None)
    for columns in (PREDICTION, ANSWER):
        if row is not None and set(columns) <= row.keys():
            return columns is ANSWER
    raise DataError(
        f"{path}: neither predictions nor answers: lines need {', '.join(PREDICTION)}; or {', '.join(ANSWER)}"
    )


def official_results(frame: pd.DataFrame) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """Predictions as COCO results `[{image_id, caption}]`, answers as VQA results `[{question_id, answer}]`.

    Returns:
        {(trained, experiment or vqa_method, tested, seed): results}, in the order in which they occur.
    """
    import pandas as pd

    identity, values = list(frame.columns[:4]), list(frame.columns[4:6])
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for (*about, seed), own in cast(Any, frame.groupby(identity, sort=False, dropna=False)):
        rows = [dict(zip(values, row)) for row in own[values].itertuples(index=False)]
        found[*about, None if seed is pd.NA else int(seed)] = rows
    return found


def _write(
    path: Path | str, rows: Iterable[dict[str, Any]], columns: Sequence[str], extras: Sequence[str] = ()
) -> None:
    with atomic(path) as part, part.open("wb") as plain, _packed(path, plain) as file:
        for row in rows:
            _check(row, columns, path)
            if unknown := sorted(row.keys() - {*columns, *extras}):
                raise DataError(f"{path}: a row has the unknown column {unknown[0]}")
            ordered = {name: row[name] for name in (*columns, *extras) if name in row}
            file.write((json.dumps(ordered, ensure_ascii=False) + "\n").encode())


def _packed(path: Path | str, file: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    """What writes into a file, without name and time, so that equal rows have equal bytes."""
    if Path(path).suffix != ".gz":
        return nullcontext(file)
    return cast(IO[bytes], gzip.GzipFile("", "wb", fileobj=file, mtime=0))


def _read(paths: Iterable[Path | str], columns: Sequence[str], extras: Sequence[str] = ()) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for path in map(Path, paths):
        own = list(_rows(path))
        for number, row in enumerate(own, start=1):
            _check(row, columns, f"{path}: line {number}")
        rows += own
    frame = pd.DataFrame({name: [row.get(name) for row in rows] for name in (*columns, *extras)}, dtype=object)
    types = {name: NULLABLE.get(name, "int64") for name in frame if name in (*NULLABLE, "image_id", "question_id")}
    frame = frame.astype(types)
    key = list(columns[:5])
    if (twice := frame.duplicated(key)).any():
        what = ", ".join(f"{name} {value}" for name, value in frame.loc[twice, key].iloc[0].items())
        raise DataError(f"{what}: occurs twice in these files; name each file once")
    return frame


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with reading(path):
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    for number, line in enumerate(lines, start=1):
        with reading(f"{path}: line {number}", "damaged or no row of predictions or answers", AGAIN):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError("not a JSON object")
        yield row


def _check(row: dict[str, Any], columns: Sequence[str], place: Path | str) -> None:
    """Refuse a row that lacks a column, or has a value of another type than the column's."""
    if absent := [name for name in columns if name not in row]:
        raise DataError(f"{place}: lacks the column {absent[0]}; it needs {', '.join(columns)}")
    for name, value in row.items():
        if name in ("image_id", "question_id"):
            check_id(value, name[:-3], place)
        elif name not in TYPES:
            check_text(value, name, place)
        elif not isinstance(value, TYPES[name]) or (name in INTEGERS and value is not None and not is_integer(value)):
            raise DataError(f"{place}: {name} is {value!r}; {AGAIN}")
