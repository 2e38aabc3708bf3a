"""Bootstrap intervals over images: the corpus metric is recomputed on every resample, from what each image adds to it.

BLEU and METEOR are functions of sums over images, the other metrics are means over images (or questions), so that a
resample costs one row of a matrix product; `scipy.stats.bootstrap` would have to copy the images of each resample.
CIDEr's document frequencies stay those of the full set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .meteor import meteor_of_totals

Array = NDArray[np.float64]

VQA = "VQA accuracy"
RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
CHUNK = 4_000_000  # draws added up at once
SMALL, TINY = 1e-9, 1e-15  # as pycocoevalcap's BLEU keeps clear of 0 / 0


def question_statistics(
    per_question: Mapping[int, float], image_of: Mapping[int, int]
) -> dict[int, dict[str, list[float]]]:
    """{image id: {"VQA accuracy": [sum over its questions, their number]}}: the questions of an image move together."""
    sums: dict[int, list[float]] = {}
    for question, accuracy in per_question.items():
        own = sums.setdefault(image_of[question], [0.0, 0])
        own[0] += accuracy
        own[1] += 1
    return {image: {VQA: own} for image, own in sums.items()}


def aligned_statistics(reports: Mapping[str, Mapping[str, Any]], metric: str) -> list[Array]:
    """What each image adds to a metric, [N, k] for each metric file's content, the same images in the same order.

    Columns: BLEU 9 and METEOR 23 (see `CaptionScores`), else the image's sum of scores and their number.
    Raises DataError, naming the file, when statistics are missing or the files are about different images.
    """
    columns = {file: _columns(file, report, metric) for file, report in reports.items()}
    first = next(iter(columns))
    for file, rows in columns.items():
        if rows.keys() != columns[first].keys():
            raise DataError(
                f"{file}: scores other images than {first} ({len(rows)} and {len(columns[first])}). "
                "Score the predictions of all seeds against the same captions again."
            )
    return [np.array([rows[image] for image in columns[first]], dtype=np.float64) for rows in columns.values()]


def corpus_score(metric: str, statistics: Array) -> float:
    """The corpus metric, in percent, of `aligned_statistics` [N, k]."""
    return float(_of_totals(metric, statistics.sum(axis=0)))


def interval(
    metric: str, statistics: Sequence[Array], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval, in percent, of a corpus metric's mean over seeds.

    `statistics` holds [N, k] for each seed, row by row of the same images; a resample draws N images with
    replacement and takes the same ones for every seed. Equal arguments give equal bounds.
    """
    return _middle(resampled(metric, statistics, resamples, seed).mean(axis=1))


def difference_interval(ours: Array, base: Array, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval, in percent, of the difference of two means over seeds, ours minus base.

    Both are `resampled` scores [R, S] of the same images, drawn alike. A resample also draws S of the S seeds with
    replacement, the same ones on both sides, so that what changes from run to run counts as well.
    """
    differences = ours - base
    generator = np.random.default_rng(seed)
    drawn = generator.integers(differences.shape[1], size=differences.shape)
    return _middle(np.take_along_axis(differences, drawn, axis=1).mean(axis=1))


def resampled(metric: str, statistics: Sequence[Array], resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """A corpus metric, in percent, on every resample for every seed, [R, S]; arguments as for `interval`."""
    stacked = np.concatenate(statistics, axis=1)
    drawn = _draws(len(stacked), resamples, seed)
    step = max(1, CHUNK // len(stacked))
    totals = [drawn[start : start + step].astype(np.float64) @ stacked for start in range(0, resamples, step)]
    return _of_totals(metric, np.concatenate(totals).reshape(resamples, len(statistics), -1))


@lru_cache(maxsize=2)
def _draws(images: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each image is drawn in each resample, [R, N]."""
    chance = np.full(images, 1 / images)
    return np.random.default_rng(seed).multinomial(images, chance, size=resamples).astype(np.float32)


def _middle(scores: Array) -> tuple[float, float]:
    low, high = np.percentile(scores, PERCENTILES)
    return float(low), float(high)


def _columns(file: str, report: Mapping[str, Any], metric: str) -> dict[str, list[float]]:
    """{image id: its row} of one metric file."""
    key = "BLEU" if metric.startswith("BLEU-") else metric
    try:
        if key in ("BLEU", "METEOR", VQA):
            return {image: own[key] for image, own in report["statistics"].items()}
        return {image: [own[key], 1] for image, own in report["per_item"].items()}
    except KeyError as error:
        raise DataError(
            f"{file}: no statistics of {metric} per image ({error} is missing); delete the file and score again."
        ) from error


def _of_totals(metric: str, totals: Array) -> Array:
    """The metric, in percent, of summed rows: [..., k] -> [...]."""
    if metric.startswith("BLEU-"):
        return 100 * _bleu(totals, int(metric.removeprefix("BLEU-")))
    if metric == "METEOR":
        return 100 * meteor_of_totals(totals)
    mean: Array = totals[..., 0] / totals[..., 1]
    return mean


def _bleu(totals: Array, order: int) -> Array:
    """Corpus BLEU up to n-grams of `order`, as pycocoevalcap computes it; [..., 9] -> [...]."""
    reference_length, candidates, matches = totals[..., 0], totals[..., 1:5], totals[..., 5:9]
    precisions = (matches[..., :order] + TINY) / (candidates[..., :order] + SMALL)
    ratio = (candidates[..., 0] + TINY) / (reference_length + SMALL)
    bleu: Array = precisions.prod(axis=-1) ** (1 / order) * np.exp(np.minimum(0, 1 - 1 / ratio))
    return bleu
