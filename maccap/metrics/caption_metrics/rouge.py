"""ROUGE-L (Lin, 2004), as pycocoevalcap has it."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import CaptionSet, Metric, SetScores


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    found = []
    for of_set in sets:
        whole, items = of_set.references.rouge(of_set.captions)
        found.append(SetScores({"ROUGE-L": (100 * whole, [100 * item for item in items])}))
    return found


METRIC = Metric("ROUGE-L", ("ROUGE-L",), 30, score)
