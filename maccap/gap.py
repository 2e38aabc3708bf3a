"""The paper's two findings, measured: how near image features lie to captions, and what the modality gap looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import stats
from torch.nn import functional as F

from .features import ImageFeatures
from .subregions import aggregate, fuse


def feature_kinds(images: ImageFeatures, k: int, patch_weight: float) -> dict[str, torch.Tensor]:
    """Every kind of image feature [N, m, d], L2-normalised; m is 1 for the global one, k for subregions."""
    single = aggregate(images.tokens, images.attention, k, released=False)
    double = aggregate(images.tokens, images.attention, k, released=True)
    return {
        "global": images.global_.unsqueeze(1),
        "patches": images.tokens[:, 1:],
        "subregions, single softmax": single,
        "subregions, double softmax": double,
        "fused, single softmax": F.normalize(fuse(images.global_, single, patch_weight), dim=-1),
        "fused, double softmax": F.normalize(fuse(images.global_, double, patch_weight), dim=-1),
    }


def nearness(
    kinds: dict[str, torch.Tensor], text: torch.Tensor, image_row: torch.Tensor
) -> dict[str, dict[str, float]]:
    """How near each kind of feature lies to each caption of its image.

    Args:
        text: caption features [C, d]; image_row: the image's row [C] of each caption.

    Returns:
        per kind the mean over captions of the mean and of the best cosine among the image's m features, and the
        share of captions to which the best one is nearer than the global feature.
    """
    cosines = {name: torch.einsum("cmd,cd->cm", features[image_row], text) for name, features in kinds.items()}
    to_global = cosines["global"][:, 0]
    report = {}
    for name, values in cosines.items():
        best = values.max(dim=1).values
        report[name] = {
            "mean": float(values.mean()),
            "best": float(best.mean()),
            "sd_of_best": float(best.std()),
            "nearer_than_global": float((best > to_global).float().mean()),
        }
    return report


def recall_at(
    images: torch.Tensor, text: torch.Tensor, image_row: torch.Tensor, ks: tuple[int, ...]
) -> dict[str, float]:
    """Image-to-text recall: share of images with one of their captions among the k nearest of all captions."""
    order = (images @ text.T).argsort(dim=1, descending=True)
    own = image_row[order] == torch.arange(len(images)).unsqueeze(1)
    return {f"R@{k}": float(own[:, :k].any(dim=1).float().mean()) for k in ks}


def gap_statistics(gap: np.ndarray) -> dict[str, Any]:
    """Is the gap zero-mean and Gaussian? Statistics of gap vectors [N, d].

    `mean_norm` is to be compared with `mean_norm_if_zero_mean`, what sampling alone would leave of a zero mean.
    Normality is judged per dimension by D'Agostino and Pearson's test (5 % of dimensions would fail by chance) and
    by effect sizes: mean absolute skewness and excess kurtosis. `effective_dimensions` is the participation ratio of
    the covariance spectrum; an isotropic Gaussian sample of the same size would show `.._if_isotropic`.
    """
    n, d = gap.shape
    mean, variance = gap.mean(axis=0), gap.var(axis=0, ddof=1)
    t = mean / np.sqrt(variance / n)
    spectrum = np.linalg.eigvalsh(np.cov(gap, rowvar=False))[::-1]
    return {
        "pairs": n,
        "dimensions": d,
        "length": float(np.linalg.norm(gap, axis=1).mean()),
        "mean_norm": float(np.linalg.norm(mean)),
        "mean_norm_if_zero_mean": float(np.sqrt(variance.sum() / n)),
        "dimensions_off_zero": float((np.abs(t) > stats.t.ppf(0.975, n - 1)).mean()),
        "variance_per_dimension": float(variance.mean()),
        "dimensions_not_normal": float((stats.normaltest(gap, axis=0).pvalue < 0.05).mean()),
        "absolute_skewness": float(np.abs(stats.skew(gap, axis=0)).mean()),
        "excess_kurtosis": float(stats.kurtosis(gap, axis=0).mean()),
        "effective_dimensions": float(spectrum.sum() ** 2 / (spectrum**2).sum()),
        "effective_dimensions_if_isotropic": d / (1 + d / n),
        "spectrum": [float(value) for value in spectrum],
        "mean": [float(value) for value in mean],
        "standardised_quantiles": _quantiles((gap - mean) / np.sqrt(variance)),
    }


def _quantiles(standardised: np.ndarray) -> list[float]:
    """99 percentiles of all standardised components together, to set against the normal ones."""
    return [float(value) for value in np.quantile(standardised, np.arange(1, 100) / 100)]


def gap_report(
    images: ImageFeatures, text: torch.Tensor, image_row: torch.Tensor, k: int, patch_weight: float
) -> dict[str, Any]:
    """Everything about one test set: nearness, retrieval and the gap between image and mean caption feature."""
    sums = torch.zeros_like(images.global_).index_add(0, image_row, text)
    counts = torch.bincount(image_row, minlength=len(images)).unsqueeze(1)
    gap = (images.global_ - sums / counts).double().numpy()
    return {
        "nearness": nearness(feature_kinds(images, k, patch_weight), text, image_row),
        "retrieval": recall_at(images.global_, text, image_row, (1, 5, 10)),
        "gap": gap_statistics(gap),
    }
