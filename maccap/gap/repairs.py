"""What the field does about the modality gap, applied to the features themselves, and what each repair leaves of it."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from ..models.memory_projection import project
from ..models.noise import inject_noise
from .nearness import ImageSide
from .settings import GapSettings
from .similarity import CAPTIONS, IMAGES, OTHERS, OWN, Pairs, exceedance, first_captions, recall_at, separability
from .statistics import Vectors, gap_measures

UNREPAIRED = "none"
ROWS = 2000  # captions whose noisy copies are held at once
IMAGE_ROWS = 64  # images that are projected onto the memory at once

Sides = tuple[torch.Tensor, torch.Tensor]
Repair = Callable[[torch.Tensor], Sides]


def repairs(
    images: ImageSide, text: torch.Tensor, image_row: torch.Tensor, memory: torch.Tensor | None, settings: GapSettings
) -> dict[str, Repair]:
    """Repairs by name; each gives image features [N, d] and caption features [C, d], L2-normalised.

    A repair is told which images [N] it may learn from (a mask), and learns from their captions, too. `mean shift`
    subtracts each modality's mean (Liang et al., NeurIPS 2022; CLOSE, C3); `noise` goes into the captions, as CapDec
    trains; `memory projection` moves the images among other captions (DeCap), where there is a `memory` [M, d]; `noisy
    subregions` is MacCap's own, where the encoder has tokens: the mean of a caption's noisy copies, and of an image's
    noisy fused subregions.
    """

    def shift(learn: torch.Tensor) -> Sides:
        image_mean, text_mean = images.global_[learn].mean(dim=0), text[learn[image_row]].mean(dim=0)
        return F.normalize(images.global_ - image_mean, dim=-1), F.normalize(text - text_mean, dim=-1)

    def shift_and_noise(learn: torch.Tensor) -> Sides:
        image, captions = shift(learn)
        return image, noisy_copies(captions, 1, settings)

    found: dict[str, Repair] = {
        UNREPAIRED: _fixed(images.global_, text),
        "mean shift": shift,
        "noise": _fixed(images.global_, noisy_copies(text, 1, settings)),
        "mean shift and noise": shift_and_noise,
    }
    if memory is not None:
        moved = torch.cat([project(rows, memory) for rows in images.global_.split(IMAGE_ROWS)])
        found["memory projection"] = _fixed(moved, text)
    if images.noisy_regions is not None:
        copies = noisy_copies(text, settings.subregions, settings)
        found["noisy subregions"] = _fixed(images.noisy_regions, copies)
    return found


def _fixed(image: torch.Tensor, text: torch.Tensor) -> Repair:
    """A repair that learns nothing."""
    return lambda learn: (image, text)


def noisy_copies(text: torch.Tensor, copies: int, settings: GapSettings) -> torch.Tensor:
    """The mean direction [C, d] of this many noisy copies of each caption feature."""
    generator = torch.Generator().manual_seed(settings.seed)

    def mean_copy(rows: torch.Tensor) -> torch.Tensor:
        repeated = rows.unsqueeze(1).expand(-1, copies, -1)
        return inject_noise(repeated, settings.noise_variance, generator=generator).mean(dim=1)

    return F.normalize(torch.cat([mean_copy(rows) for rows in text.split(ROWS)]), dim=-1)


def gap_vectors(image: torch.Tensor, text: torch.Tensor, image_row: torch.Tensor) -> torch.Tensor:
    """Each image feature less the mean of its captions' features, float64 [N, d]."""
    sums = torch.zeros(image.shape, dtype=torch.float64).index_add(0, image_row, text.double())
    return image.double() - sums / torch.bincount(image_row, minlength=len(image)).unsqueeze(1)


def effects(
    repair: Repair, sides: Sides, pairs: dict[str, Pairs], image_row: torch.Tensor, folds: torch.Tensor
) -> dict[str, Any]:
    """Everything that is measured on a repair, on its features and on the cosines of their pairs.

    `separability` is the accuracy on each fold of images when repair and hyperplane are learned from the others; it
    takes one caption of each image.
    """
    image, text = sides
    captions = first_captions(image_row)

    def one_each(learn: torch.Tensor) -> Sides:
        images, texts = repair(learn)
        return images, texts[captions]

    return {
        "similarity": {name: kind.summary() for name, kind in pairs.items()},
        "unrelated_images_above_own_caption": exceedance(pairs[IMAGES], pairs[OWN]),
        "own_above_other_caption": exceedance(pairs[OWN], pairs[OTHERS]),
        "alignment": pairs[OWN].alignment,
        "uniformity_images": pairs[IMAGES].uniformity,
        "uniformity_captions": pairs[CAPTIONS].uniformity,
        "retrieval": recall_at(image, text, image_row, (1, 5, 10)),
        "separability": separability(one_each, folds),
        "gap": gap_measures(Vectors(gap_vectors(image, text, image_row).numpy())),
    }
