"""ROUGE-L (Lin, 2004), bit for bit as pycocoevalcap has it."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from ..registry import CaptionSet, Metric, SetScores

BETA = 1.2  # of the F-score


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    once, found = cache(rouge), []  # several sets may have the same caption for an image
    for of_set in sets:
        items = list(map(once, of_set.captions, map(tuple, of_set.references.captions)))
        found.append(SetScores.in_percent({"ROUGE-L": (float(np.mean(items)), items)}))
    return found


def rouge(candidate: str, references: Sequence[str]) -> float:
    """ROUGE-L of one caption, as a fraction; without words it is 0, where pycocoevalcap finds it equal to a reference
    without words."""
    if not candidate:
        return 0.0
    words, others = candidate.split(" "), [reference.split(" ") for reference in references]
    common = [_common_length(words, other) for other in others]
    precision = max(length / len(words) for length in common)
    recall = max(length / len(other) for length, other in zip(common, others, strict=True))
    if not precision or not recall:
        return 0.0
    return ((1 + BETA**2) * precision * recall) / (recall + BETA**2 * precision)


def _common_length(one: list[str], other: list[str]) -> int:
    """Length of the longest common subsequence, a column of the table at a time as the bits of one number.

    Source: Hyyrö (2004), Bit-parallel LCS-length computation revisited.
    """
    places: dict[str, int] = {}
    for position, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << position
    column = all_ones = (1 << len(one)) - 1
    for word in other:
        matches = column & places.get(word, 0)
        column = (column + matches) | (column - matches)
    return (~column & all_ones).bit_count()


METRIC = Metric("ROUGE-L", ("ROUGE-L",), 30, score)
