"""Whether a hyperplane tells image features from caption features: cross-validated accuracy of logistic regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Array = NDArray[np.float64]
FOLDS = 5
PENALTY = 1.0  # on half the squared length of the weights, against the sum of the losses


def deal(count: int, seed: int) -> torch.Tensor:
    """The fold [N], 0 to 4, of each image."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)) % FOLDS


def separability(sides: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]], folds: torch.Tensor) -> float:
    """Accuracy on held-out images and captions; 0.5 is chance.

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


def _fit(features: Array, labels: Array) -> Array:
    """Intercept and weights [1 + d] of logistic regression."""
    inputs = np.column_stack([np.ones(len(features)), features])

    def loss(weights: Array) -> tuple[float, Array]:
        logits = inputs @ weights
        gradient = inputs.T @ (expit(logits) - labels)
        gradient[1:] += PENALTY * weights[1:]
        value = np.logaddexp(0, logits).sum() - labels @ logits + PENALTY / 2 * weights[1:] @ weights[1:]
        return float(value), gradient

    found: Array = minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x
    return found
