"""CIDEr-D (Vedantam et al., 2015), as pycocoevalcap has it."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import CaptionSet, Metric, SetScores


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    found = []
    for of_set in sets:
        whole, items = of_set.references.cider(of_set.captions)
        found.append(SetScores({"CIDEr": (100 * whole, [100 * item for item in items])}))
    return found


METRIC = Metric("CIDEr", ("CIDEr",), 40, score)
