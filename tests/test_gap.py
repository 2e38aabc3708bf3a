"""The gap statistics against distributions whose truth is known, and retrieval by brute force."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maccap.features import ImageFeatures
from maccap.gap import feature_kinds, gap_statistics, nearness, recall_at


def test_a_zero_mean_gaussian_passes_and_other_gaps_do_not():
    rng = np.random.default_rng(0)
    gaussian = gap_statistics(rng.normal(0, 0.1, (2000, 40)))
    assert gaussian["mean_norm"] == pytest.approx(gaussian["mean_norm_if_zero_mean"], rel=0.5)
    assert gaussian["dimensions_off_zero"] < 0.15
    assert gaussian["dimensions_not_normal"] < 0.15
    assert gaussian["variance_per_dimension"] == pytest.approx(0.01, rel=0.05)
    assert gaussian["effective_dimensions"] == pytest.approx(gaussian["effective_dimensions_if_isotropic"], rel=0.05)

    shifted = gap_statistics(rng.normal(0.05, 0.1, (2000, 40)))
    assert shifted["mean_norm"] == pytest.approx(0.05 * 40**0.5, rel=0.05)
    assert shifted["dimensions_off_zero"] > 0.95

    uniform = gap_statistics(rng.uniform(-1, 1, (2000, 40)))
    assert uniform["dimensions_not_normal"] > 0.95
    assert uniform["excess_kurtosis"] == pytest.approx(-1.2, abs=0.1)

    flat = gap_statistics(rng.normal(0, 1, (2000, 1)) * np.ones((1, 40)) + rng.normal(0, 0.01, (2000, 40)))
    assert flat["effective_dimensions"] < 1.1


def test_recall_by_brute_force():
    generator = torch.Generator().manual_seed(0)
    images = F.normalize(torch.randn(12, 8, generator=generator), dim=-1)
    text = F.normalize(torch.randn(36, 8, generator=generator), dim=-1)
    rows = torch.arange(36) % 12
    for k, value in {1: "R@1", 5: "R@5"}.items():
        hits = 0
        for i in range(12):
            nearest = sorted(range(36), key=lambda c: -float(images[i] @ text[c]))[:k]
            hits += any(int(rows[c]) == i for c in nearest)
        assert recall_at(images, text, rows, (k,))[value] == pytest.approx(hits / 12)


def test_nearness_by_hand():
    tokens = F.normalize(torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    attention = torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(2)).softmax(-1)
    images = ImageFeatures(torch.arange(3), tokens[:, 0], tokens, attention)
    text = F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(3)), dim=-1)
    rows = torch.tensor([0, 0, 1, 1, 2, 2])
    kinds = feature_kinds(images, 4, 1.0)
    assert kinds["patches"].shape == (3, 5, 8)
    assert all(torch.allclose(f.norm(dim=-1), torch.ones(f.shape[:2]), atol=1e-5) for f in kinds.values())
    report = nearness(kinds, text, rows)
    best = [max(float(tokens[r, t] @ text[c]) for t in range(1, 6)) for c, r in enumerate(rows.tolist())]
    globals_ = [float(tokens[r, 0] @ text[c]) for c, r in enumerate(rows.tolist())]
    assert report["patches"]["best"] == pytest.approx(np.mean(best), abs=1e-5)
    assert report["global"]["mean"] == pytest.approx(np.mean(globals_), abs=1e-5)
    assert report["global"]["nearer_than_global"] == 0
    assert report["patches"]["nearer_than_global"] == pytest.approx(np.mean(np.array(best) > globals_))
