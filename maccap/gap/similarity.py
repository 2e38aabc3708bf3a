"""Cosines within and across the two modalities, over all pairs; retrieval; alignment and uniformity; separability.

Alignment and uniformity are those of Wang and Isola, Understanding Contrastive Representation Learning through
Alignment and Uniformity on the Hypersphere, ICML 2020, with their alpha = 2 and t = 2.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

BINS = 200  # of cosines, from -1 to 1
CHUNK = 4_000_000  # pairs held at once
IMAGES_AT_ONCE = 256  # whose captions are compared with each other
FOLDS = 5
PENALTY = 1.0  # on half the squared length of the weights, against the sum of the losses

IMAGES = "image, another image"
SIBLINGS = "caption, another of the same image"
CAPTIONS = "caption, one of another image"
OWN = "image, its own caption"
OTHERS = "image, a caption of another image"


class Pairs:
    """Running sums over the cosines of many pairs of unit vectors."""

    def __init__(self) -> None:
        self.histogram = np.zeros(BINS, np.int64)
        self.count = 0
        self.total = self.squares = self.potential = 0.0

    def add(self, cosines: torch.Tensor, sign: int = 1) -> None:
        """Add pairs, or with sign -1 take pairs out that were added before."""
        values = cosines.flatten().clamp(-1, 1)
        places = ((values + 1) * (BINS / 2)).long().clamp(max=BINS - 1)
        self.histogram += sign * torch.bincount(places, minlength=BINS).numpy()
        self.count += sign * len(values)
        self.total += sign * float(values.sum(dtype=torch.float64))
        self.squares += sign * float(values.square().sum(dtype=torch.float64))
        self.potential += sign * float((4 * values - 4).exp().sum(dtype=torch.float64))

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    @property
    def sd(self) -> float | None:
        return math.sqrt(max(0.0, self.squares / self.count - (self.total / self.count) ** 2)) if self.count else None

    @property
    def uniformity(self) -> float | None:
        """log E exp(-2 |x - y|^2) over the pairs; -4 at best, in high dimension, and 0 where all points are one."""
        return math.log(self.potential / self.count) if self.count and self.potential > 0 else None

    @property
    def alignment(self) -> float | None:
        """E |x - y|^2 over the pairs: of unit vectors 2 - 2 x their mean cosine."""
        return None if self.mean is None else 2 - 2 * self.mean

    def summary(self) -> dict[str, float | int | None]:
        return {"mean": self.mean, "sd": self.sd, "pairs": self.count}


def pair_cosines(image: torch.Tensor, text: torch.Tensor, image_row: torch.Tensor) -> dict[str, Pairs]:
    """The five kinds of pairs of image features [N, d] and caption features [C, d], each ordered pair counted.

    An image stands beside all its captions, and a caption beside all others of its image; pairs across images are of
    images and of each image's first caption. Memory is that of `CHUNK` pairs. `image_row` [C] is the image's row of
    each caption.
    """
    found = {name: Pairs() for name in (IMAGES, SIBLINGS, CAPTIONS, OWN, OTHERS)}
    first = text[first_captions(image_row)]
    for kind, one, other in ((IMAGES, image, image), (CAPTIONS, first, first), (OTHERS, image, first)):
        for rows, cosines in _chunks(one, other):
            found[kind].add(cosines)
            found[kind].add(cosines[torch.arange(len(rows)), rows], -1)
    for rows in torch.arange(len(image)).split(IMAGES_AT_ONCE):
        own = torch.isin(image_row, rows).nonzero()[:, 0]
        found[OWN].add((text[own] * image[image_row[own]]).sum(dim=1))
        siblings = (image_row[own].unsqueeze(1) == image_row[own]).fill_diagonal_(False)
        found[SIBLINGS].add((text[own] @ text[own].T)[siblings])
    return found


def first_captions(image_row: torch.Tensor) -> torch.Tensor:
    """The row [N] of each image's first caption."""
    first: dict[int, int] = {}
    for row, image in enumerate(image_row.tolist()):
        first.setdefault(image, row)
    return torch.tensor([first[image] for image in sorted(first)])


def _chunks(one: torch.Tensor, other: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(rows of `one`, their cosines to all of `other`)."""
    for rows in torch.arange(len(one)).split(max(1, CHUNK // len(other))):
        yield rows, one[rows] @ other.T


def exceedance(one: Pairs, other: Pairs) -> float:
    """The chance that a pair of `one` has a higher cosine than a pair of `other`, ties halved, to a bin's width."""
    below = np.cumsum(other.histogram) - other.histogram / 2
    return float((one.histogram / one.count * (below / other.count)).sum())


def recall_at(
    images: torch.Tensor, text: torch.Tensor, image_row: torch.Tensor, ks: tuple[int, ...]
) -> dict[str, float]:
    """Image-to-text recall: share of images with one of their captions among the k nearest of all captions."""
    hits = torch.zeros(len(ks), dtype=torch.int64)
    for rows, cosines in _chunks(images, text):
        nearest = cosines.topk(min(max(ks), len(text)), dim=1).indices
        own = image_row[nearest] == rows.unsqueeze(1)
        hits += torch.stack([own[:, :k].any(dim=1).sum() for k in ks])
    return {f"R@{k}": int(hit) / len(images) for k, hit in zip(ks, hits, strict=True)}


def deal(count: int, seed: int) -> torch.Tensor:
    """The fold [N], 0 to 4, of each image."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)) % FOLDS


def separability(sides: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]], folds: torch.Tensor) -> float:
    """Whether a hyperplane tells images from captions: cross-validated accuracy of logistic regression; 0.5 is chance.

    Args:
        sides: gives one image feature and one caption feature [N, d] of every image; it is told in a mask [N] which
            images may be learned from.
        folds: the fold [N] of each image, held out in turn.
    """
    right = 0
    for fold in folds.unique():
        learn = folds != fold
        image, text = (features.double().numpy() for features in sides(learn))
        train, test = learn.numpy(), ~learn.numpy()
        known = np.concatenate([image[train], text[train]])
        centre = known.mean(axis=0)
        scale = np.sqrt(known.var(axis=0).mean())
        weights = _fit((known - centre) / scale, np.repeat([1.0, 0.0], train.sum()))
        for features, is_image in ((image, True), (text, False)):
            judged = (features[test] - centre) / scale @ weights[1:] + weights[0] > 0
            right += int((judged == is_image).sum())
    return right / (2 * len(folds))


def _fit(features: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intercept and weights [1 + d] of logistic regression."""
    inputs = np.column_stack([np.ones(len(features)), features])

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = inputs @ weights
        gradient = inputs.T @ (expit(logits) - labels)
        gradient[1:] += PENALTY * weights[1:]
        value = np.logaddexp(0, logits).sum() - labels @ logits + PENALTY / 2 * weights[1:] @ weights[1:]
        return float(value), gradient

    return np.asarray(minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x)
