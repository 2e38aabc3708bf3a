"""Published numbers, and whether ours reproduce them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path

from ..core.errors import DataError
from ..metrics.bootstrap import VQA
from ..metrics.registry import metric_names

CLOSE = 3  # times the tolerance
NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Reported:
    """One published number, in percent as printed; None where nobody has filled it in yet."""

    method: str
    trained_on: str
    tested_on: str
    metric: str
    value: Decimal | None
    encoder: str
    language_model: str
    source: str
    evidence: str
    note: str

    @property
    def precision(self) -> float:
        """One unit of the last printed digit; 0 without a value."""
        return float(Decimal(1).scaleb(int(self.value.as_tuple().exponent))) if self.value is not None else 0.0


COLUMNS = [field.name for field in fields(Reported)]


def read_reported(path: Path | str) -> list[Reported]:
    """The published numbers of a CSV file with the columns of `Reported`, in its order.

    Raises:
        DataError: no such file or other columns; or, with the line, a field that is missing or wrong, a value without
            source or evidence, or a number given twice.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if reader.fieldnames != COLUMNS:
                raise DataError(f"{path}: its first line must name the columns {','.join(COLUMNS)}")
            rows: dict[tuple[str, ...], Reported] = {}
            for line in reader:
                row = _reported(line, f"{path}, line {reader.line_num}")
                key = (row.method, row.trained_on, row.tested_on, row.metric)
                if key in rows:
                    raise DataError(f"{path}, line {reader.line_num}: {', '.join(key)} occurs twice; keep one line")
                rows[key] = row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from error
    return list(rows.values())


def _reported(line: Mapping[str, str], place: str) -> Reported:
    if None in line or None in line.values():
        raise DataError(f"{place}: it must have {len(COLUMNS)} fields; put a field that holds a comma in quotes")
    needed = ["method", "trained_on", "tested_on", "metric"] + ["source", "evidence"] * bool(line["value"])
    for name in needed:
        if not line[name].strip():
            raise DataError(f"{place}: {name} is empty; give it, or remove the line")
    known = [*metric_names(), VQA]
    if line["metric"] not in known:
        raise DataError(f"{place}: unknown metric {line['metric']!r}; known: {', '.join(known)}")
    if line["value"] and not NUMBER.fullmatch(line["value"]):
        raise DataError(
            f"{place}: value {line['value']!r} is not a plain number such as 49.3; leave it empty if unknown"
        )
    value = Decimal(line["value"]) if line["value"] else None
    return Reported(**{**line, "value": value})  # type: ignore[arg-type]


def verdict(
    reported: float | None,
    precision: float,
    mean: float | None,
    interval: tuple[float, float] | None,
    tolerance: float,
    reduced: bool,
) -> str:
    """What a number of ours, the `mean` over seeds with its 95 % `interval`, says of a reported one.

    "not run" without a mean; "reduced run" whenever the run was `reduced`; "" where nothing is reported; "reproduced"
    when they differ by at most `tolerance` (or half the reported `precision`, if that is more) or the reported value
    lies in the interval; "close" when they differ by at most three times that; else "not reproduced".

    A tolerance of 1.0 point is how far careful reruns of the same method with the same code and data lie apart.
    An independent reproduction of CapDec on COCO is 0 to 0.8 points off in BLEU, METEOR and ROUGE-L and 1.5 in
    CIDEr (both in reported.csv).
    """
    if mean is None:
        return "not run"
    if reduced:
        return "reduced run"
    if reported is None:
        return ""
    allowed = max(tolerance, precision / 2) + 1e-9  # printed decimals are no binary fractions
    difference = abs(mean - reported)
    if difference <= allowed or (interval is not None and interval[0] <= reported <= interval[1]):
        return "reproduced"
    return "close" if difference <= CLOSE * allowed else "not reproduced"
