"""METEOR 1.5 (Denkowski and Lavie, 2014), asked of its Java program."""

from __future__ import annotations

from collections.abc import Sequence

from ..meteor import meteor_of_totals, meteor_scores
from ..registry import CaptionSet, Metric, SetScores


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    questions = [
        [(own, *of) for of, own in zip(of_set.references.captions, of_set.captions, strict=True)] for of_set in sets
    ]
    return [SetScores.in_percent({"METEOR": (whole, items)}, rows) for whole, items, rows in meteor_scores(questions)]


METRIC = Metric("METEOR", ("METEOR",), 20, score, of_totals=lambda _, totals: 100 * meteor_of_totals(totals))
