"""The paper's first finding, measured: how near each kind of image feature lies to the image's captions."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ..data.features import ImageFeatures
from ..models.noise import image_noise, inject_noise
from ..models.subregions import aggregate, fuse
from .settings import GapSettings

CAPTIONS = "other captions of the image"


@dataclass(frozen=True)
class ImageSide:
    """What is kept of all images once their tokens have been seen, L2-normalised.

    Attributes:
        global_: [N, d].
        noisy_regions: MacCap's input at test time, the noisy fused subregions, as their mean direction [N, d]; None
            where the encoder has no tokens.
        nearness: per kind of feature the mean over captions of the mean and of the best cosine among the image's
            features, and the share of captions to which the best one is nearer than the global feature.
    """

    global_: torch.Tensor
    noisy_regions: torch.Tensor | None
    nearness: dict[str, dict[str, float]]


def feature_kinds(images: ImageFeatures, k: int, patch_weight: float) -> dict[str, torch.Tensor]:
    """Every kind of image feature [N, m, d], L2-normalised; m is 1 for the global one, k for subregions.

    Of images without tokens (T = 0) there is only the global one.
    """
    kinds = {"global": images.global_.unsqueeze(1)}
    if not images.tokens.shape[1]:
        return kinds
    single = aggregate(images.tokens, images.attention, k, released=False)
    double = aggregate(images.tokens, images.attention, k, released=True)
    return kinds | {
        "patches": images.tokens[:, 1:],
        "subregions, single softmax": single,
        "subregions, double softmax": double,
        "fused, single softmax": F.normalize(fuse(images.global_, single, patch_weight), dim=-1),
        "fused, double softmax": F.normalize(fuse(images.global_, double, patch_weight), dim=-1),
    }


def image_side(
    batches: Iterable[ImageFeatures], text: torch.Tensor, image_row: torch.Tensor, settings: GapSettings
) -> ImageSide:
    """Read the images once, batch by batch, and keep what is measured on them; memory is that of one batch's tokens.

    Args:
        batches: image features in the order of their rows.
        text: caption features [C, d]; image_row: the image's row [C] of each caption.
    """
    globals_, regions = [], []
    cosines: dict[str, list[torch.Tensor]] = {}
    begin = 0
    for images in batches:
        own = ((image_row >= begin) & (image_row < begin + len(images))).nonzero()[:, 0]
        for name, found in _cosines(images, text[own], image_row[own] - begin, settings).items():
            cosines.setdefault(name, []).append(found)
        globals_.append(images.global_)
        if images.tokens.shape[1]:
            regions.append(_noisy_regions(images, settings))
        begin += len(images)
    return ImageSide(
        torch.cat(globals_),
        torch.cat(regions) if regions else None,
        _nearness({name: torch.cat(parts, dim=1) for name, parts in cosines.items()}),
    )


def _cosines(
    images: ImageFeatures, text: torch.Tensor, image_row: torch.Tensor, settings: GapSettings
) -> dict[str, torch.Tensor]:
    """Per kind of feature the mean and the best cosine [2, C] of each caption to the features of its image; nan where
    there are none."""
    found = {}
    for name, features in feature_kinds(images, settings.subregions, settings.patch_weight).items():
        values = torch.einsum("cmd,cd->cm", features[image_row], text)
        found[name] = torch.stack([values.mean(dim=1), values.max(dim=1).values])
    others = (image_row.unsqueeze(0) == image_row.unsqueeze(1)).fill_diagonal_(False)
    values = torch.where(others, text @ text.T, torch.nan)
    best = torch.where(others, values, -torch.inf).max(dim=1).values
    found[CAPTIONS] = torch.stack([values.nanmean(dim=1), torch.where(others.any(dim=1), best, torch.nan)])
    return found


def _noisy_regions(images: ImageFeatures, settings: GapSettings) -> torch.Tensor:
    """The mean direction [B, d] of the fused subregions under one noise draw, as MacCap's adaptor reads them."""
    regions = aggregate(images.tokens, images.attention, settings.subregions, released=settings.double_softmax)
    fused = fuse(images.global_, regions, settings.patch_weight)
    noise = image_noise(settings.seed, images.ids, tuple(fused.shape[1:]))
    return F.normalize(inject_noise(fused, settings.noise_variance, noise=noise).mean(dim=1), dim=-1)


def _nearness(cosines: dict[str, torch.Tensor]) -> dict[str, dict[str, float]]:
    to_global = cosines["global"][1]
    report = {}
    for name, (mean, best) in cosines.items():
        there = ~best.isnan()
        if there.any():
            report[name] = {
                "mean": float(mean[there].mean()),
                "best": float(best[there].mean()),
                "nearer_than_global": float((best > to_global)[there].float().mean()),
            }
    return report
