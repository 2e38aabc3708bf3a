"""BLEU, ROUGE-L and CIDEr of tokenised captions, bit for bit pycocoevalcap's, with the references prepared once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pycocoevalcap.bleu import bleu_scorer
from pycocoevalcap.cider import cider_scorer

ORDERS = 4  # n-grams of one to four words
SIGMA = 6.0  # of CIDEr's penalty for another length, in words
BETA = 1.2  # of ROUGE-L's F-score

Score = tuple[float, list[float]]
Counts = Mapping[tuple[str, ...], int]
Vector = tuple[list[dict[tuple[str, ...], float]], list[float], int]


class References:
    """The references of a test set: for each image, in order, its tokenised captions. Words are apart by one space."""

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        self.captions = captions
        self._words = [[caption.split(" ") for caption in own] for own in captions]
        self._cooked = [bleu_scorer.cook_refs(own) for own in captions]
        counts = cider_scorer.CiderScorer()
        counts.crefs = [cider_scorer.cook_refs(own) for own in captions]
        counts.compute_doc_freq()
        self._idf = {gram: self._inverse(images) for gram, images in counts.document_frequency.items()}
        self._vectors = [[self._vector(caption) for caption in own] for own in counts.crefs]

    def bleu(self, candidates: Sequence[str]) -> tuple[list[Score], list[list[int]]]:
        """BLEU-1 to BLEU-4 as fractions, of the corpus and of each candidate, and the rows behind them.

        A row holds the length of the closest reference, the candidate's 1- to 4-grams, and of these the matched ones.
        """
        scorer = bleu_scorer.BleuScorer(n=ORDERS)
        scorer.crefs = self._cooked
        scorer.ctest = [bleu_scorer.cook_test(text, own) for text, own in zip(candidates, self._cooked, strict=True)]
        corpus, items = scorer.compute_score(option="closest")
        rows = []
        for counts in scorer.ctest:
            length = counts["testlen"]
            closest = min(counts["reflen"], key=lambda reference: (abs(reference - length), reference))
            rows.append([closest, *counts["guess"], *counts["correct"]])
        return list(zip(corpus, items, strict=True)), rows

    def rouge(self, candidates: Sequence[str]) -> Score:
        """ROUGE-L (Lin, 2004) as a fraction."""
        pairs = zip(candidates, self._words, strict=True)
        return _mean([_rouge(candidate.split(" "), own) for candidate, own in pairs])

    def cider(self, candidates: Sequence[str]) -> Score:
        """CIDEr-D (Vedantam et al., 2015), 10 at most; document frequencies are those of these references."""
        scores = []
        for candidate, own in zip(candidates, self._vectors, strict=True):
            vector = self._vector(cider_scorer.cook_test(candidate))
            totals = [0.0] * ORDERS
            for reference in own:
                totals = [total + part for total, part in zip(totals, _similarity(vector, reference), strict=True)]
            scores.append(sum(totals) / ORDERS / len(own) * 10.0)
        return _mean(scores)

    def _inverse(self, images: float) -> float:
        return float(np.log(float(len(self.captions))) - np.log(max(1.0, images)))

    def _vector(self, counts: Counts) -> Vector:
        """tf-idf weights of a caption's n-grams by their order, the norm of each order, and the number of bigrams."""
        weights: list[dict[tuple[str, ...], float]] = [{} for _ in range(ORDERS)]
        norms = [0.0] * ORDERS
        unknown = self._inverse(0)
        for gram, count in counts.items():
            order = len(gram) - 1
            weight = count * self._idf.get(gram, unknown)
            weights[order][gram] = weight
            norms[order] += weight**2
        return weights, [math.sqrt(norm) for norm in norms], sum(n for gram, n in counts.items() if len(gram) == 2)


def _similarity(candidate: Vector, reference: Vector) -> list[float]:
    """Clipped cosine similarity of each order, less where the lengths differ."""
    penalty = math.e ** (-(float(candidate[2] - reference[2]) ** 2) / (2 * SIGMA**2))
    values = []
    for own, theirs, norm, other in zip(candidate[0], reference[0], candidate[1], reference[1], strict=True):
        value = 0.0
        for gram, weight in own.items():
            if gram in theirs:
                value += min(weight, theirs[gram]) * theirs[gram]
        values.append((value / (norm * other) if norm and other else value) * penalty)
    return values


def _rouge(candidate: list[str], references: list[list[str]]) -> float:
    common = [_common_length(candidate, reference) for reference in references]
    precision = max(length / len(candidate) for length in common)
    recall = max(length / len(reference) for length, reference in zip(common, references, strict=True))
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


def _mean(scores: list[float]) -> Score:
    return float(np.mean(np.array(scores))), scores
