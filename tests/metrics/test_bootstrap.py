"""Bootstrap intervals: against resampling by hand with pycocoevalcap, and how often they hold the truth."""

import numpy as np
import pandas as pd
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.rouge.rouge import Rouge

from maccap.core.errors import DataError
from maccap.metrics.bootstrap import VQA, aligned_statistics, interval, of_totals
from maccap.metrics.metric_files import read_metrics, write_metrics
from maccap.metrics.registry import CaptionSet, References, metric_named

TRUTH = {
    0: ["a man rides a brown horse on a beach", "someone on a horse"],
    1: ["two dogs run on the beach", "dogs at the sea"], 2: ["a red bus at a stop", "a bus waits"],
    3: ["green chairs outside a café in the sun", "a café with green chairs"],
    4: ["a cat sleeps on a sofa", "the cat is asleep on the sofa"],
}  # fmt: skip
SEEDS = [
    {0: ["a man on a brown horse"], 1: ["two dogs at the sea"], 2: ["a bus"], 3: ["a café"], 4: ["a cat on a sofa"]},
    {0: ["a horse on a beach"], 1: ["a dog"], 2: ["a red bus at a stop sign"], 3: ["chairs in the sun"], 4: [""]},
]


def test_large_ids_are_read_as_they_were_written(tmp_path):
    pair, ids = (tmp_path / "whole.jsonl", tmp_path / "items.jsonl"), [2**53, 2**53 + 1, 2**63 - 1]
    write_metrics(pair, [{"image_id": None, "CIDEr": 1.5}, *({"image_id": i, "CIDEr": 2.0} for i in ids)])
    rows = read_metrics(pair)
    assert rows.image_id[1:].tolist() == ids
    assert rows.image_id.isna().tolist() == [True, False, False, False]
    assert list(aligned_statistics([rows[1:]], "CIDEr")[0].shape) == [3, 2]


def metric_rows(metric: str, own: dict) -> pd.DataFrame:
    captions = CaptionSet(References(list(TRUTH.values())), [own[image][0] for image in TRUTH], None)
    [found] = metric_named(metric).score([captions])
    return pd.DataFrame({"image_id": [*TRUTH], metric: found.scores[metric][1], "BLEU statistics": found.statistics})


def brute_force(metric: str, resamples: int, seed: int) -> tuple[float, float]:
    """Score every resample anew, each drawn caption as often as it was drawn."""
    generator = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        counts = generator.multinomial(len(TRUTH), np.full(len(TRUTH), 1 / len(TRUTH)))
        drawn = np.repeat(np.arange(len(TRUTH)), counts)
        truth = {place: TRUTH[image] for place, image in enumerate(drawn)}
        means.append(np.mean([score(metric, truth, {p: own[i] for p, i in enumerate(drawn)}) for own in SEEDS]))
    return tuple(100 * np.percentile(means, [2.5, 97.5]))


def score(metric: str, truth: dict, own: dict) -> float:
    if metric == "ROUGE-L":
        return Rouge().compute_score(truth, own)[0]
    return Bleu(4).compute_score(truth, own, verbose=0)[0][int(metric[-1]) - 1]


@pytest.mark.parametrize("metric", ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L"])
def test_the_interval_is_that_of_scoring_every_resample(metric: str) -> None:
    statistics = aligned_statistics([metric_rows(metric, own) for own in SEEDS], metric)
    expected = brute_force(metric, resamples=60, seed=3)
    assert interval(metric, statistics, resamples=60, seed=3) == pytest.approx(expected, abs=1e-9)
    assert expected[0] < expected[1]


def test_questions_move_with_their_image() -> None:
    rows = pd.DataFrame({"image_id": [1, 2, 1, 1], "accuracy": [100.0, 30.0, 0.0, 50.0]})
    [statistics] = aligned_statistics([rows], VQA)
    np.testing.assert_array_equal(statistics, [[150, 3], [30, 1]])
    assert of_totals(VQA, statistics.sum(axis=0)) == pytest.approx(rows.accuracy.mean())
    assert interval(VQA, [statistics], resamples=400) == pytest.approx((30.0, 50.0))  # only image 2, or only image 1


def test_equal_arguments_give_equal_bounds() -> None:
    rows = np.random.default_rng(0).random((50, 2))
    first = interval("CIDEr", [rows], resamples=200, seed=1)
    assert interval("CIDEr", [rows], resamples=200, seed=1) == first != interval("CIDEr", [rows], 200, seed=2)


def test_the_seeds_share_their_images() -> None:
    """Scores that mirror each other between two seeds have the same mean on every resample."""
    scores = np.random.default_rng(1).random(40) * 100
    ones = np.ones(40)
    mirrored = [np.stack([scores, ones], axis=1), np.stack([100 - scores, ones], axis=1)]
    assert interval("CIDEr", mirrored) == pytest.approx((50, 50))


@pytest.mark.parametrize("metric", ["CIDEr", "BLEU-1"])
def test_95_percent_intervals_hold_the_truth_about_95_times_in_100(metric: str) -> None:
    generator = np.random.default_rng(7)
    images, trials, held = 150, 400, 0
    for _ in range(trials):
        if metric == "CIDEr":  # skewed, as CIDEr is over images
            rows, truth = np.stack([generator.gamma(1.5, 40, images), np.ones(images)], axis=1), 60.0
        else:  # candidates of 8 to 12 words longer than the references, 60 of 100 words matched
            words = generator.integers(8, 13, images)
            matched = generator.binomial(words, 0.6)
            rows, truth = np.zeros((images, 9)), 60.0
            rows[:, 0], rows[:, 1], rows[:, 5] = 5, words, matched
        low, high = interval(metric, [rows], resamples=300, seed=int(generator.integers(2**31)))
        held += low <= truth <= high
    assert 0.92 <= held / trials <= 0.975


def test_runs_that_do_not_fit_are_named() -> None:
    good = pd.DataFrame({"image_id": [1, 2], "CIDEr": [5.0, 6.0]})
    with pytest.raises(DataError, match="run 2 scores other images than the first"):
        aligned_statistics([good, good.replace({"image_id": {2: 3}})], "CIDEr")
    with pytest.raises(DataError, match=r"no statistics of BLEU-4 per image.*score again"):
        aligned_statistics([good], "BLEU-4")
    first, second = aligned_statistics([good, good[::-1]], "CIDEr")
    np.testing.assert_array_equal(first, second)
