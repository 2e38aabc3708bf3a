"""BLEU-1 to BLEU-4 (Papineni et al., 2002), as pycocoevalcap has them; of one image, sentence BLEU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..overlap import ORDERS
from ..registry import Array, CaptionSet, Metric, SetScores

NAMES = tuple(f"BLEU-{order}" for order in range(1, ORDERS + 1))
SMALL, TINY = 1e-9, 1e-15  # as pycocoevalcap keeps clear of 0 / 0


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    found = []
    for of_set in sets:
        scores, rows = of_set.references.bleu(of_set.captions)
        found.append(SetScores.in_percent(dict(zip(NAMES, scores, strict=True)), rows))
    return found


def bleu_of_totals(name: str, totals: Array) -> Array:
    """Corpus BLEU, in percent, of summed rows of `References.bleu`; [..., 9] -> [...]."""
    order = NAMES.index(name) + 1
    reference_length, candidates, matches = totals[..., 0], totals[..., 1:5], totals[..., 5:9]
    precisions = (matches[..., :order] + TINY) / (candidates[..., :order] + SMALL)
    ratio = (candidates[..., 0] + TINY) / (reference_length + SMALL)
    bleu: Array = precisions.prod(axis=-1) ** (1 / order) * np.exp(np.minimum(0, 1 - 1 / ratio))
    return 100 * bleu


METRIC = Metric("BLEU", NAMES, 10, score, of_totals=bleu_of_totals)
