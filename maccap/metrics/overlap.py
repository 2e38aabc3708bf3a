"""BLEU, ROUGE-L and CIDEr of tokenised captions, bit for bit pycocoevalcap's, with the references prepared once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from pycocoevalcap.bleu import bleu_scorer
from pycocoevalcap.cider.cider_scorer import precook

ORDERS = 4  # n-grams of one to four words
SIGMA = 6.0  # of CIDEr's penalty for another length, in words
BETA = 1.2  # of ROUGE-L's F-score

Score = tuple[float, list[float]]
Gram = tuple[str, ...]


class Caption(NamedTuple):
    """What CIDEr needs of a caption: its n-grams' weights or, of a reference, counts; norms by order; bigrams."""

    grams: Mapping[Gram, float]
    norms: list[float]
    length: int


class References:
    """The references of a test set: for each image, in order, its tokenised captions. Words are apart by one space.

    A caption that several sets of candidates have for the same image is counted once.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        self.captions = captions
        self._words = [[caption.split(" ") for caption in own] for own in captions]
        counts = [[precook(caption, ORDERS) for caption in own] for own in captions]
        lengths = [[len(caption.split()) for caption in own] for own in captions]
        self._cooked = [(of, _most(own)) for of, own in zip(lengths, counts, strict=True)]
        images = Counter(chain.from_iterable(most for _, most in self._cooked))
        self._unknown = self._inverse(0)
        inverse = {number: self._inverse(number) for number in set(images.values())}
        self._idf: dict[Gram, float] = {gram: inverse[number] for gram, number in images.items()}
        self._prepared = [[Caption(of, _norms(self._weights(of)), _bigrams(of)) for of in own] for own in counts]
        self._bleu, self._rouge, self._cider = map(cache, (self._bleu_counts, self._rouge_score, self._cider_score))

    def bleu(self, candidates: Sequence[str]) -> tuple[list[Score], list[list[int]]]:
        """BLEU-1 to BLEU-4 as fractions, of the corpus and of each candidate, and the rows behind them.

        A row holds the length of the closest reference, the candidate's 1- to 4-grams, and of these the matched ones.
        """
        scorer = bleu_scorer.BleuScorer(n=ORDERS)
        scorer.crefs = self._cooked
        scorer.ctest = [self._bleu(place, text) for place, text in enumerate(candidates)]
        corpus, items = scorer.compute_score(option="closest")
        rows = []
        for counts in scorer.ctest:
            length = counts["testlen"]
            closest = min(counts["reflen"], key=lambda reference: (abs(reference - length), reference))
            rows.append([closest, *counts["guess"], *counts["correct"]])
        return list(zip(corpus, items, strict=True)), rows

    def rouge(self, candidates: Sequence[str]) -> Score:
        """ROUGE-L (Lin, 2004) as a fraction."""
        return _mean([self._rouge(place, text) for place, text in enumerate(candidates)])

    def cider(self, candidates: Sequence[str]) -> Score:
        """CIDEr-D (Vedantam et al., 2015), 10 at most; document frequencies are those of these references."""
        return _mean([self._cider(place, text) for place, text in enumerate(candidates)])

    def _bleu_counts(self, place: int, candidate: str) -> Any:
        """What BLEU counts in a candidate for the image at this place."""
        return bleu_scorer.cook_test(candidate, self._cooked[place])

    def _rouge_score(self, place: int, candidate: str) -> float:
        words, references = candidate.split(" "), self._words[place]
        common = [_common_length(words, reference) for reference in references]
        precision = max(length / len(words) for length in common)
        recall = max(length / len(reference) for length, reference in zip(common, references, strict=True))
        if not precision or not recall:
            return 0.0
        return ((1 + BETA**2) * precision * recall) / (recall + BETA**2 * precision)

    def _cider_score(self, place: int, candidate: str) -> float:
        counts = precook(candidate, ORDERS)
        weights = self._weights(counts)
        caption = Caption(weights, _norms(weights), _bigrams(counts))
        totals = [0.0] * ORDERS
        for reference in self._prepared[place]:
            similar = self._similarity(caption, reference)
            totals = [total + part for total, part in zip(totals, similar, strict=True)]
        return sum(totals) / ORDERS / len(self._prepared[place]) * 10.0

    def _inverse(self, images: int) -> float:
        """Inverse document frequency of what stands in so many images' references."""
        return float(np.log(float(len(self.captions))) - np.log(max(1.0, images)))

    def _weights(self, counts: Mapping[Gram, int]) -> dict[Gram, float]:
        """tf-idf."""
        return {gram: count * self._idf.get(gram, self._unknown) for gram, count in counts.items()}

    def _similarity(self, candidate: Caption, reference: Caption) -> list[float]:
        """Clipped cosine similarity of each order, less where the lengths differ."""
        values = [0.0] * ORDERS
        for gram, weight in candidate.grams.items():
            if gram in reference.grams:
                other = reference.grams[gram] * self._idf[gram]
                values[len(gram) - 1] += min(weight, other) * other
        penalty = math.e ** (-(float(candidate.length - reference.length) ** 2) / (2 * SIGMA**2))
        norms = zip(candidate.norms, reference.norms, strict=True)
        return [(v / (a * b) if a and b else v) * penalty for v, (a, b) in zip(values, norms, strict=True)]


def _most(captions: Sequence[Mapping[Gram, int]]) -> dict[Gram, int]:
    """How often each n-gram stands in the one of some captions that has most of it."""
    most: Counter[Gram] = Counter()
    for counts in captions:
        most |= Counter(counts)  # the larger of each
    return most


def _bigrams(counts: Mapping[Gram, int]) -> int:
    return sum(count for gram, count in counts.items() if len(gram) == 2)


def _norms(weights: Mapping[Gram, float]) -> list[float]:
    squares = [0.0] * ORDERS
    for gram, weight in weights.items():
        squares[len(gram) - 1] += weight**2
    return list(map(math.sqrt, squares))


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


def _mean(scores: list[float]) -> Score:
    return float(np.mean(np.array(scores))), scores
