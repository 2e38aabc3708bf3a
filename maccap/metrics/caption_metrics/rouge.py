"""ROUGE-L (Lin, 2004), as pycocoevalcap has it."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import CaptionSet, Metric, SetScores


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    return [SetScores.in_percent({"ROUGE-L": of_set.references.rouge(of_set.captions)}) for of_set in sets]


METRIC = Metric("ROUGE-L", ("ROUGE-L",), 30, score)
