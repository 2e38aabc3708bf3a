"""The rows of metric files, by what they are about: what tables of metrics are built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..metrics.bootstrap import VQA
from ..metrics.metric_files import read_metrics
from .table import Cell, Source, cell


@dataclass(frozen=True)
class Results:
    """The metrics of one experiment, or of one way of answering, over its seeds.

    Attributes:
        about: trained, experiment or vqa_method, and tested.
        whole: rows about all images or questions, or about a kind of questions.
        items: rows about single images or questions.
    """

    about: dict[str, str]
    whole: pd.DataFrame
    items: pd.DataFrame

    @property
    def seeds(self) -> list[int | None]:
        """The seeds in their order; that of predictions that others published is None."""
        return [_plain(seed) for seed in self.whole.seed.drop_duplicates()]

    def over_seeds(self, column: str, **row: Any) -> Cell | None:
        """The cell of a column in the rows of all seeds that these values name; None where one lacks it."""
        if column not in self.whole:
            return None
        own = self.whole
        for name, value in row.items():
            own = own[own[name].isna() if value is None else own[name] == value]
        if own.empty or own[column].isna().any():
            return None
        names = [*self.about, "seed", *row]
        lines = own[["file", *names]].to_dict("records")
        sources = [Source(line["file"], column, {name: _plain(line[name]) for name in names}) for line in lines]
        return cell([float(value) for value in own[column]], sources)

    def overall(self, metric: str) -> Cell | None:
        """The cell of a metric, as `over_seeds`, of all images or questions."""
        if metric == VQA:
            return self.over_seeds("accuracy", answer_type=None, question_type=None)
        return self.over_seeds(metric, image_id=None)

    def place(self, names: Mapping[str, str]) -> str:
        """Trained on → tested on, by the labels of the data sets; the one label where both are the same."""
        return " → ".join(names[name] for name in dict.fromkeys((self.about["trained"], self.about["tested"])))

    @property
    def coverage(self) -> tuple[int, int]:
        """Of how many images there are captions, and how many images there are; zeros without any rows."""
        if self.whole.empty:
            return 0, 0
        images, of = (int(self.whole[column].iloc[0]) for column in ("images", "of"))
        return images, of

    def of_seeds(self, seeds: Sequence[int]) -> Results:
        """What there is of these seeds alone."""
        whole, items = (rows[rows.seed.isin(seeds)] for rows in (self.whole, self.items))
        return self if len(whole) == len(self.whole) else Results(self.about, whole, items)

    def of_kind(self, column: str, kind: str | None) -> Results:
        """With the questions of one kind alone; None is all."""
        return self if kind is None else Results(self.about, self.whole, self.items[self.items[column] == kind])

    @cached_property
    def by_seed(self) -> list[pd.DataFrame]:
        """The rows about single images or questions, one frame for each seed."""
        return [rows for _, rows in self.items.groupby("seed", sort=False, dropna=False)]


def read_results(files: Iterable[Path], cells: Sequence[Sequence[str]], kind: str = "experiment") -> list[Results]:
    """The results of (trained, experiment or vqa_method, tested), in the order of `cells`; without rows, empty ones.

    Args:
        kind: the column of the second name, `experiment` or `vqa_method`.
    """
    columns = ["trained", kind, "tested"]
    rows = read_metrics(files)
    groups = dict(iter(rows.groupby(columns, sort=False)))
    found = []
    for names in cells:
        own = groups.get(tuple(names), rows[:0])
        single = own["image_id" if kind == "experiment" else "question_id"].notna()
        found.append(Results(dict(zip(columns, names, strict=True)), own[~single], own[single]))
    return found


def on_common_seeds(ours: Results, base: Results) -> tuple[Results, Results]:
    """Both on the seeds that both have."""
    seeds = common_seeds([ours, base])
    return ours.of_seeds(seeds), base.of_seeds(seeds)


def common_seeds(found: Sequence[Results]) -> list[int]:
    """The seeds that all have; predictions that others published have none."""
    seeds = found[0].seeds if found else []
    return [seed for seed in seeds if seed is not None and all(seed in results.seeds for results in found)]


def seed_notes(names: Iterable[str], found: Iterable[Results], *, compared: bool = False) -> list[str]:
    """Which rows, by their names, have fewer seeds than others; published predictions and empty rows have none."""
    rows = zip(names, found, strict=True)
    counts = {name: len(results.seeds) for name, results in rows if results.seeds not in ([], [None])}
    fewer = sorted(set(counts.values()))[:-1]
    named = {n: ", ".join(name for name, count in counts.items() if count == n) for n in fewer}
    told = (f"{'One seed' if n == 1 else f'{n} seeds'}: {of}" for n, of in named.items())
    if not fewer:
        return []
    return ["; ".join([*told, *(["differences are on the seeds that both have"] if compared else [])]) + "."]


def _plain(value: Any) -> Any:
    """A value as JSON has it: null for a missing one, whole numbers as such."""
    if pd.isna(value):
        return None
    return int(value) if isinstance(value, (float, np.integer)) else value
