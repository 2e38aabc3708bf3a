"""The gap's measures against distributions whose truth is known, brute force, and invariances."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from maccap.gap import similarity
from maccap.gap.similarity import Pairs, deal, exceedance, first_captions, pair_cosines, recall_at, separability
from maccap.gap.statistics import (
    Vectors,
    gap_measures,
    gap_statistics,
    hotelling_f,
    mardia,
    mean_measures,
    normal_distance,
    spread_measures,
)

ROWS = torch.tensor([1, 0, 0, 2, 1, 3, 2, 2, 4, 1])  # the image of each caption


def directions(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def rotation(dim: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(9).normal(size=(dim, dim)))[0]


# --- the mean, the shape and the spread ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def gaussian():
    """A zero-mean Gaussian whose covariance is far from isotropic."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(600, 20)) * np.linspace(0.2, 2, 20) @ rng.normal(size=(20, 20))


def far(about: dict, name: str) -> float:
    """How many standard deviations of the simulated sets a measure is away from them."""
    found = about["measures"][name]
    return abs(found["value"] - found["expected"]) / max(found["sd"], 1e-9)


MEAN = ("mean_norm", "mean_share", "same_direction", "mean_in_own_sd", "dimensions_off_zero", "hotelling_f")
SHAPE = (
    "dimensions_not_normal", "absolute_skewness", "excess_kurtosis", "distance_to_normal", "mardia_skewness",
    "mardia_kurtosis",
)  # fmt: skip
SPREAD = ("effective_dimensions", "top_share", "directions_for_90_percent", "log_condition")


def test_no_claim_is_rejected_for_what_obeys_it(gaussian):
    about = gap_statistics(gaussian, 0.016, seed=1)
    assert max(far(about, name) for name in (*MEAN, *SHAPE)) < 3.5
    isotropic = gap_statistics(np.random.default_rng(3).normal(0, 0.126, (600, 20)), 0.126**2, seed=1)
    assert max(far(isotropic, name) for name in (*MEAN, *SHAPE, *SPREAD)) < 3.5
    assert isotropic["measures"]["length"]["value"] == pytest.approx(
        isotropic["measures"]["length"]["expected"], rel=0.02
    )


def test_a_shifted_mean_is_found_and_measured(gaussian):
    shift = 5 * np.ones(20)
    about = gap_statistics(gaussian + shift, 0.25, seed=1, simulations=10)["measures"]
    norm = np.linalg.norm((gaussian + shift).mean(axis=0))
    assert about["mean_norm"]["value"] == pytest.approx(norm)
    assert about["mean_norm"]["value"] > 5 * about["mean_norm"]["expected"]
    assert about["mean_in_noise_sd"]["value"] == pytest.approx(norm / 0.5)
    assert about["same_direction"]["value"] > 0.9
    share = norm**2 / np.mean(np.sum((gaussian + shift) ** 2, axis=1))
    assert about["mean_share"]["value"] == pytest.approx(share)


def test_tails_skewness_and_a_narrow_covariance_are_found():
    rng = np.random.default_rng(4)
    heavy = gap_statistics(rng.standard_t(4, (600, 20)), 0.016, seed=1, simulations=10)
    skewed = gap_statistics(rng.exponential(size=(600, 20)) - 1, 0.016, seed=1, simulations=10)
    assert min(far(heavy, name) for name in ("excess_kurtosis", "distance_to_normal", "mardia_kurtosis")) > 5
    assert min(far(skewed, name) for name in ("absolute_skewness", "dimensions_not_normal", "mardia_skewness")) > 5
    flat = rng.normal(size=(600, 1)) * np.ones((1, 20)) + rng.normal(0, 0.01, (600, 20))
    narrow = spread_measures(Vectors(flat))
    assert narrow["effective_dimensions"] < 1.1
    assert narrow["directions_for_90_percent"] == 1


def test_radially_dependent_dimensions_are_not_gaussian_together_though_each_is_nearly():
    """A Gaussian with one common random scale: nearly normal margins, heavy tails of the whole."""
    rng = np.random.default_rng(5)
    sample = rng.normal(size=(800, 30)) * rng.choice([0.75, 1.25], (800, 1))
    about = gap_statistics(sample, 0.016, seed=1, simulations=20)
    assert far(about, "mardia_kurtosis") > 5
    assert about["measures"]["mardia_kurtosis"]["value"] > 1.2 * about["measures"]["mardia_kurtosis"]["expected"]
    assert about["measures"]["distance_to_normal"]["value"] < about["measures"]["distance_to_normal"]["expected"] + 0.01


def test_mardias_measures_by_brute_force_and_unchanged_by_an_affine_map(gaussian):
    sample = np.random.default_rng(6).exponential(size=(25, 3))
    inverse = np.linalg.inv(np.cov(sample, rowvar=False, ddof=0))
    centred = sample - sample.mean(axis=0)
    products = [[a @ inverse @ b for b in centred] for a in centred]
    skewness = sum(m**3 for row in products for m in row) / 25**2
    kurtosis = sum(products[i][i] ** 2 for i in range(25)) / 25
    assert mardia(sample) == pytest.approx((skewness, kurtosis))
    mapped = gaussian @ np.random.default_rng(8).normal(size=(20, 20)) + 3
    assert mardia(mapped) == pytest.approx(mardia(gaussian))


def test_hotelling_in_one_dimension_is_the_square_of_t_and_follows_f():
    column = np.random.default_rng(0).normal(0.2, 1, (50, 1))
    assert hotelling_f(Vectors(column)) == pytest.approx(stats.ttest_1samp(column[:, 0], 0).statistic ** 2)
    rng = np.random.default_rng(1)
    drawn = [hotelling_f(Vectors(rng.normal(size=(30, 4)))) for _ in range(400)]
    assert stats.kstest(drawn, stats.f(4, 26).cdf).pvalue > 0.01


def test_the_distance_to_normal_is_that_of_scipy():
    sample = np.random.default_rng(2).exponential(size=(60, 3))
    expected = [stats.kstest(column, "norm").statistic for column in sample.T]
    assert normal_distance(sample) == pytest.approx(expected)


def test_same_direction_leaves_each_vector_out_of_its_own_mean():
    sample = np.random.default_rng(3).normal(0.1, 1, (40, 6))
    expected = np.mean([row @ np.delete(sample, i, axis=0).sum(axis=0) > 0 for i, row in enumerate(sample)])
    assert mean_measures(Vectors(sample))["same_direction"] == pytest.approx(expected)


def test_a_rotation_changes_only_what_is_measured_per_dimension(gaussian):
    one, other = (gap_measures(Vectors(vectors)) for vectors in (gaussian + 1, (gaussian + 1) @ rotation(20)))
    per_dimension = {
        "dimensions_off_zero", "dimensions_not_normal", "absolute_skewness", "excess_kurtosis", "distance_to_normal",
    }  # fmt: skip
    for name in one.keys() - per_dimension:
        assert other[name] == pytest.approx(one[name], rel=1e-6), name


# --- cosines of pairs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("chunk", [3, 4_000_000])
def test_pairs_by_brute_force(monkeypatch, chunk):
    monkeypatch.setattr(similarity, "CHUNK", chunk)
    monkeypatch.setattr(similarity, "IMAGES_AT_ONCE", min(2, chunk))
    image, text = directions(5, 8), directions(10, 8, seed=1)
    first = [1, 0, 3, 5, 8]
    assert first_captions(ROWS).tolist() == first
    expected = {
        similarity.IMAGES: [image[i] @ image[j] for i, j in itertools.permutations(range(5), 2)],
        similarity.CAPTIONS: [text[first[i]] @ text[first[j]] for i, j in itertools.permutations(range(5), 2)],
        similarity.OTHERS: [image[i] @ text[first[j]] for i, j in itertools.permutations(range(5), 2)],
        similarity.OWN: [image[ROWS[c]] @ text[c] for c in range(10)],
        similarity.SIBLINGS: [text[a] @ text[b] for a, b in itertools.permutations(range(10), 2) if ROWS[a] == ROWS[b]],
    }
    found = pair_cosines(image, text, ROWS)
    for kind, cosines in expected.items():
        values = np.array([float(c) for c in cosines])
        pairs = found[kind]
        assert pairs.count == len(values) == pairs.histogram.sum(), kind
        assert pairs.mean == pytest.approx(values.mean(), abs=1e-6)
        assert pairs.sd == pytest.approx(values.std(), abs=1e-5)
        squared = 2 - 2 * values
        assert pairs.alignment == pytest.approx(squared.mean(), abs=1e-6)
        assert pairs.uniformity == pytest.approx(math.log(np.exp(-2 * squared).mean()), abs=1e-5)


def test_exceedance_by_brute_force():
    one, other = Pairs(), Pairs()
    low, high = torch.tensor([0.115, 0.315, 0.515, -0.995]), torch.tensor([0.215, 0.315, 1.0])
    one.add(low)
    other.add(high)
    wins = [(a > b) + (a == b) / 2 for a, b in itertools.product(low.tolist(), high.tolist())]
    assert exceedance(one, other) == pytest.approx(np.mean(wins))
    assert exceedance(other, one) == pytest.approx(1 - np.mean(wins))


@pytest.mark.parametrize("chunk", [36, 4_000_000])
def test_recall_by_brute_force(monkeypatch, chunk):
    monkeypatch.setattr(similarity, "CHUNK", chunk)
    images, text = directions(12, 8), directions(36, 8, seed=1)
    rows = torch.arange(36) % 12
    for k in (1, 5, 50):
        hits = 0
        for i in range(12):
            nearest = sorted(range(36), key=lambda c: -float(images[i] @ text[c]))[:k]
            hits += any(int(rows[c]) == i for c in nearest)
        assert recall_at(images, text, rows, (1, k))[f"R@{k}"] == pytest.approx(hits / 12)


# --- separability ----------------------------------------------------------------------------------------------------
def test_separability_is_chance_for_one_distribution_and_certain_for_two_apart():
    folds = deal(400, seed=1)
    assert sorted(torch.bincount(folds).tolist()) == [80] * 5
    one, other = (torch.randn(400, 16, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    assert separability(lambda learn: (one, other), folds) == pytest.approx(0.5, abs=0.06)
    assert separability(lambda learn: (one, other + 3), folds) > 0.99
    turn = torch.from_numpy(rotation(16)).float()
    near = separability(lambda learn: (one, other + 0.3), folds)
    assert 0.6 < near < 0.9
    turned = separability(lambda learn: (5 * one @ turn, 5 * (other + 0.3) @ turn), folds)
    assert turned == pytest.approx(near, abs=0.01)


def test_separability_learns_from_the_other_folds_only():
    folds, seen = deal(50, seed=1), []

    def sides(learn):
        seen.append(learn)
        return torch.zeros(50, 2), torch.ones(50, 2)

    assert separability(sides, folds) == 1
    assert [(folds[~learn].unique().tolist(), int(learn.sum())) for learn in seen] == [([f], 40) for f in range(5)]
