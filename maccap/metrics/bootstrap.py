"""Bootstrap intervals over images: the corpus metric is recomputed on every resample, from what each image adds to it.

BLEU, METEOR and faithfulness are functions of sums over images, the other metrics are means over images (or
questions), so that a resample costs one row of a matrix product; `scipy.stats.bootstrap` would have to copy the images
of each resample. CIDEr's document frequencies stay those of the full set.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from ..core.errors import DataError
from .registry import Array, metric_named

VQA = "VQA accuracy"
RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)


def aligned_statistics(runs: Sequence[pd.DataFrame], metric: str) -> list[Array]:
    """What each image adds to a metric, [N, k] for each run, the same images in the same order.

    Columns: those of `CaptionScores.statistics`, else the image's sum of scores and their number. The questions about
    an image move together.

    Args:
        runs: rows of metric files about images or questions, those of one seed in each frame.

    Raises:
        DataError: statistics are missing, or the runs are about different images.
    """
    found = [_statistics(rows, metric) for rows in runs]
    for number, own in enumerate(found, start=1):
        if set(own) != set(found[0]):
            raise DataError(
                f"{metric}: run {number} scores other images than the first ({len(own)} and {len(found[0])}). "
                "Score the predictions of all seeds against the same captions again."
            )
    return [np.array([own[image] for image in found[0]], dtype=np.float64) for own in found]


def interval(
    metric: str, statistics: Sequence[Array], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval, in percent, of a corpus metric's mean over seeds.

    `statistics` holds [N, k] for each seed, row by row of the same images; a resample draws N images with
    replacement and takes the same ones for every seed. Equal arguments give equal bounds.
    """
    return _middle(resampled(metric, statistics, resamples, seed).mean(axis=1))


def difference_interval(ours: Array, base: Array, seed: int = 0) -> tuple[float, float]:
    """As `interval_of_runs`, of the difference of two means, ours minus base: images and seeds are drawn alike."""
    return interval_of_runs(ours - base, seed)


def interval_of_runs(scores: Array, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval, in percent, of a mean over seeds, from `resampled` scores [R, S].

    A resample also draws S of the S seeds with replacement, so that what changes from run to run counts as well.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.integers(scores.shape[1], size=scores.shape)
    return _middle(np.take_along_axis(scores, drawn, axis=1).mean(axis=1))


def resampled(metric: str, statistics: Sequence[Array], resamples: int, seed: int) -> Array:
    """A corpus metric, in percent, on every resample for every seed, [R, S]; arguments as for `interval`."""
    stacked = np.concatenate(statistics, axis=1)
    totals = _draws(len(stacked), resamples, seed) @ stacked
    return of_totals(metric, totals.reshape(resamples, len(statistics), -1))


@lru_cache(maxsize=2)
def _draws(images: int, resamples: int, seed: int) -> Array:
    """How often each image is drawn in each resample, [R, N]."""
    chance = np.full(images, 1 / images)
    return np.random.default_rng(seed).multinomial(images, chance, size=resamples).astype(np.float64)


def _middle(scores: Array) -> tuple[float, float]:
    low, high = np.percentile(scores, PERCENTILES)
    return float(low), float(high)


def _statistics(rows: pd.DataFrame, metric: str) -> dict[int, Sequence[float]]:
    """{image id: its row}."""
    try:
        if metric != VQA and (about := metric_named(metric)).of_totals:
            return dict(zip(rows["image_id"], rows[f"{about.family} statistics"], strict=True))
        column = "accuracy" if metric == VQA else metric
        sums = rows[column].groupby(rows["image_id"], sort=False).agg(["sum", "count"])
        return dict(zip(sums.index, sums.to_numpy(), strict=True))
    except KeyError as error:
        raise DataError(f"no statistics of {metric} per image ({error} is missing); score again") from error


def of_totals(metric: str, totals: Array) -> Array:
    """The metric, as tables print it, of summed rows: [..., k] -> [...]."""
    own = None if metric == VQA else metric_named(metric).of_totals
    if own:
        return own(metric, totals)
    mean: Array = totals[..., 0] / totals[..., 1]
    return mean
