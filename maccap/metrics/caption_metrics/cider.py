"""CIDEr-D (Vedantam et al., 2015), as pycocoevalcap has it."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import CaptionSet, Metric, SetScores


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    return [SetScores.in_percent({"CIDEr": of_set.references.cider(of_set.captions)}) for of_set in sets]


METRIC = Metric("CIDEr", ("CIDEr",), 40, score)
