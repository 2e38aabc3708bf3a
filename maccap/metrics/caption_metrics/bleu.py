"""BLEU-1 to BLEU-4 (Papineni et al., 2002), as pycocoevalcap has them; of one image, sentence BLEU."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer, cook_refs, cook_test

from ..registry import Array, CaptionSet, Metric, References, SetScores

ORDERS = 4  # n-grams of one to four words
NAMES = tuple(f"BLEU-{order}" for order in range(1, ORDERS + 1))
SMALL, TINY = 1e-9, 1e-15  # as pycocoevalcap keeps clear of 0 / 0


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    prepared, found = cache(_prepared), []
    for of_set in sets:
        scorer = BleuScorer(n=ORDERS)
        scorer.crefs = prepared(of_set.references)
        scorer.ctest = list(map(cook_test, of_set.captions, scorer.crefs))
        corpus, items = scorer.compute_score(option="closest")
        scores = dict(zip(NAMES, zip(corpus, items, strict=True), strict=True))
        found.append(SetScores.in_percent(scores, list(map(_row, scorer.ctest))))
    return found


def _prepared(references: References) -> list[Any]:
    return list(map(cook_refs, references.captions))


def _row(counts: dict[str, Any]) -> list[int]:
    """The length of the closest reference, the candidate's 1- to 4-grams, and of these the matched ones."""
    length = counts["testlen"]
    closest = min(counts["reflen"], key=lambda reference: (abs(reference - length), reference))
    return [closest, *counts["guess"], *counts["correct"]]


def bleu_of_totals(name: str, totals: Array) -> Array:
    """Corpus BLEU, in percent, of summed `_row`s; [..., 9] -> [...]."""
    order = NAMES.index(name) + 1
    reference_length, candidates, matches = totals[..., 0], totals[..., 1:5], totals[..., 5:9]
    precisions = (matches[..., :order] + TINY) / (candidates[..., :order] + SMALL)
    ratio = (candidates[..., 0] + TINY) / (reference_length + SMALL)
    bleu: Array = precisions.prod(axis=-1) ** (1 / order) * np.exp(np.minimum(0, 1 - 1 / ratio))
    return 100 * bleu


METRIC = Metric("BLEU", NAMES, 10, score, of_totals=bleu_of_totals)
