"""Whether captions name what is there: a metric of drawn scenes, whose content is known."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...data.scenes import Contents
from ..registry import Array, CaptionSet, Metric, SetScores

QUOTIENTS = {"Nouns": (100, 1, 0), "Colours": (100, 3, 2), "Nouns said": (1, 0, 4)}  # factor, and two sums of `_row`


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    """Nouns: the share of the nouns said that are in the image; Colours: of the nouns said behind a colour, the share
    that are in the image in that colour, both in percent, 0 of a caption that says none; Nouns said: how many a caption
    says."""
    found = []
    for of_set in sets:
        if of_set.contents is None:
            found.append(SetScores({}))
            continue
        rows = [
            _row(caption, of_set.contents.of_image[image], of_set.contents)
            for image, caption in zip(of_set.images, of_set.captions, strict=True)
        ]
        counts = np.array(rows, dtype=np.float64)
        scores = {
            name: (float(of_totals(name, counts.sum(axis=0))), of_totals(name, counts).tolist()) for name in QUOTIENTS
        }
        found.append(SetScores(scores, rows))
    return found


def _row(caption: str, there: frozenset[tuple[str, str]], contents: Contents) -> list[int]:
    """Nouns said, of these in the image; nouns said behind a colour, of these in the image in that colour; captions."""
    words = caption.split()
    said = [contents.nouns[word] for word in words if word in contents.nouns]
    coloured = [
        (contents.nouns[noun], colour)
        for colour, noun in pairwise(words)
        if noun in contents.nouns and colour in contents.colours
    ]
    nouns = {noun for noun, _ in there}
    return [len(said), sum(noun in nouns for noun in said), len(coloured), sum(pair in there for pair in coloured), 1]


def of_totals(name: str, totals: Array) -> Array:
    """Of summed `_row`s; [..., 5] -> [...]."""
    factor, part, whole = QUOTIENTS[name]
    found: Array = factor * (totals[..., part] / totals[..., whole].clip(1))
    return found


METRIC = Metric("faithfulness", tuple(QUOTIENTS), 70, score, of_totals=of_totals)
