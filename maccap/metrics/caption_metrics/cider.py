"""CIDEr-D (Vedantam et al., 2015), bit for bit as pycocoevalcap has it, with the references prepared once."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from pycocoevalcap.cider.cider_scorer import precook

from ..registry import CaptionSet, Metric, References, SetScores

ORDERS = 4  # n-grams of one to four words
SIGMA = 6.0  # of the penalty for another length, in words

Gram = tuple[str, ...]


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    prepared, found = cache(Cider), []
    for of_set in sets:
        own = prepared(of_set.references)
        items = [own.score(place, caption) for place, caption in enumerate(of_set.captions)]
        found.append(SetScores.in_percent({"CIDEr": (float(np.mean(items)), items)}))
    return found


class Vector(NamedTuple):
    """A caption's tf-idf weights, their norms by order of n-grams, and its length in bigrams."""

    weights: dict[Gram, float]
    norms: list[float]
    length: int


class Cider:
    """CIDEr-D, 10 at most, against some references, which give the document frequencies."""

    def __init__(self, references: References) -> None:
        counts = [[precook(caption, ORDERS) for caption in own] for own in references.captions]
        images = Counter(chain.from_iterable(set(chain.from_iterable(own)) for own in counts))
        whole = np.log(float(len(counts)))
        inverse = {number: float(whole - np.log(max(1.0, number))) for number in {0, *images.values()}}
        self.unknown = inverse[0]
        self.idf: dict[Gram, float] = {gram: inverse[number] for gram, number in images.items()}
        self.references = [[self.vector(of) for of in own] for own in counts]
        self.score = cache(self._score)

    def vector(self, counts: Mapping[Gram, int]) -> Vector:
        weights = {gram: count * self.idf.get(gram, self.unknown) for gram, count in counts.items()}
        squares = [0.0] * ORDERS
        for gram, weight in weights.items():
            squares[len(gram) - 1] += weight**2
        return Vector(weights, list(map(math.sqrt, squares)), sum(n for gram, n in counts.items() if len(gram) == 2))

    def _score(self, place: int, candidate: str) -> float:
        """That of a caption for the image at a place; several sets may have the same one."""
        vector, references = self.vector(precook(candidate, ORDERS)), self.references[place]
        totals = [0.0] * ORDERS
        for reference in references:
            totals = [total + part for total, part in zip(totals, _similarity(vector, reference), strict=True)]
        return sum(totals) / ORDERS / len(references) * 10.0


def _similarity(candidate: Vector, reference: Vector) -> list[float]:
    """Clipped cosine similarity of each order, less where the lengths differ."""
    values = [0.0] * ORDERS
    for gram, weight in candidate.weights.items():
        if other := reference.weights.get(gram):
            values[len(gram) - 1] += min(weight, other) * other
    penalty = math.e ** (-(float(candidate.length - reference.length) ** 2) / (2 * SIGMA**2))
    norms = zip(candidate.norms, reference.norms, strict=True)
    return [(v / (a * b) if a and b else v) * penalty for v, (a, b) in zip(values, norms, strict=True)]


METRIC = Metric("CIDEr", ("CIDEr",), 40, score)
