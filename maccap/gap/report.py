"""Everything about the gap of one test set."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..core.errors import DataError
from ..data.features import ImageFeatures
from .nearness import image_side
from .repairs import UNREPAIRED, effects, gap_vectors, repairs
from .settings import GapSettings
from .similarity import FOLDS, deal, first_captions, pair_cosines
from .statistics import gap_statistics

SAME = 1e-5  # in a component of features of length 1
SHOWN = 150  # images, and as many captions, in the plane of each repair


def gap_report(
    batches: Iterable[ImageFeatures],
    text: torch.Tensor,
    image_row: torch.Tensor,
    memory: torch.Tensor | None,
    settings: GapSettings,
) -> dict[str, Any]:
    """Nearness of features to captions; the gap's statistics; distributions of cosines; the effect of every repair.

    Args:
        batches: image features in the order of their rows, read once.
        text: caption features [C, d]; image_row: the image's row [C] of each caption.
        memory: other captions' features [M, d] for the memory projection, which is left out without.

    Raises:
        DataError: fewer than five images, or one without a caption, or the same gap at every image.
    """
    images = image_side(batches, text, image_row, settings)
    count = len(images.global_)
    if count < FOLDS:
        raise DataError(f"{count} images are too few to say anything of the gap: take {FOLDS} at least, better 100")
    if len(image_row.unique()) < count:
        raise DataError("an image has no caption: the image features belong to other captions; delete and run again")
    folds = deal(count, settings.seed)
    gap = gap_vectors(images.global_, text, image_row).numpy()
    if np.ptp(gap, axis=0).max() < SAME:
        raise DataError(
            "image and captions differ by the same at every image, as where all are equal: give images that differ"
        )
    plane, captions = _common_plane(images.global_, text), first_captions(image_row)
    effect, planes, histograms = {}, {}, {}
    for name, repair in repairs(images, text, image_row, memory, settings).items():
        sides = repair(torch.ones(count, dtype=torch.bool))
        pairs = pair_cosines(*sides, image_row)
        effect[name] = effects(repair, sides, pairs, image_row, folds)
        shown = {"images": sides[0][:SHOWN], "captions": sides[1][captions[:SHOWN]]}
        planes[name] = {side: (found.double() @ plane.T).round(decimals=4).tolist() for side, found in shown.items()}
        if name == UNREPAIRED:
            histograms = {kind: about.histogram.tolist() for kind, about in pairs.items()}
    return {
        "images": count,
        "captions": len(text),
        "settings": vars(settings),
        "nearness": images.nearness,
        "gap": gap_statistics(gap, settings.noise_variance, settings.seed),
        "repairs": effect,
        "histograms": histograms,
        "planes": planes,
    }


def _common_plane(image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Two orthonormal directions [2, d]: from the captions' mean to the images', and the first principal direction of
    all features, each less its modality's mean, at right angles to it."""
    image, text = image.double(), text.double()
    across = F.normalize(image.mean(dim=0) - text.mean(dim=0), dim=0)
    centred = torch.cat([image - image.mean(dim=0), text - text.mean(dim=0)])
    centred = centred - torch.outer(centred @ across, across)
    along = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
    return torch.stack([across, along * along[along.abs().argmax()].sign()])
