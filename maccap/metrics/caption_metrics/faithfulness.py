"""Whether captions name what is there: a metric of drawn scenes, whose content is known."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...data.scenes import Contents
from ..registry import Array, CaptionSet, Metric, SetScores

NAMES = ("Nouns", "Colours")


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    """Nouns: the share of the nouns said that are in the image; Colours: of the nouns said behind a colour, the share
    that are in the image in that colour. Of a caption that says none, 0."""
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
            name: (float(of_totals(name, counts.sum(axis=0))), of_totals(name, counts).tolist()) for name in NAMES
        }
        found.append(SetScores(scores, rows))
    return found


def _row(caption: str, there: frozenset[tuple[str, str]], contents: Contents) -> list[int]:
    """Nouns said, of these in the image; nouns said behind a colour, of these in the image in that colour."""
    words = caption.split()
    said = [contents.nouns[word] for word in words if word in contents.nouns]
    coloured = [
        (contents.nouns[noun], colour)
        for colour, noun in pairwise(words)
        if noun in contents.nouns and colour in contents.colours
    ]
    nouns = {noun for noun, _ in there}
    return [len(said), sum(noun in nouns for noun in said), len(coloured), sum(pair in there for pair in coloured)]


def of_totals(name: str, totals: Array) -> Array:
    """In percent, of summed `_row`s; [..., 4] -> [...]."""
    at = 2 * NAMES.index(name)
    shares: Array = 100 * (totals[..., at + 1] / totals[..., at].clip(1))
    return shares


METRIC = Metric("faithfulness", NAMES, 70, score, of_totals=of_totals)
