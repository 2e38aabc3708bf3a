"""CLOSE (Gu, Clark and Kembhavi, ICCV 2023): noise on the text embedding, and adapters that know the modality gap.

`mean` moves the text embedding by the mean difference between images and their captions; `covariance` also draws its
noise from the differences' covariance, three times as wide, as in the released code, before the isotropic noise. Both
read image-text pairs of the validation split, so they are not text-only. Without an adapter, CLOSE differs from CapDec
in nothing but the variance of its noise. Its T5 is replaced by the language model that all methods share.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from ..data.text_corpus import TextBatch
from ..models.noise import inject_noise
from .base import TrainedMethod

NEEDS = ("adaptor", "pairs")
COVARIANCE_SCALE = 3.0


@dataclass(frozen=True)
class Options:
    """`noise_variance`: 0.0064 as published, a standard deviation of 0.08."""

    adapter: Literal["none", "mean", "covariance"] = "none"
    noise_variance: Annotated[float, Field(ge=0)] = 0.0064


class Method(TrainedMethod):
    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        """The text feature moved, spread, noised and L2-normalised, [B, d]."""
        features = batch.features
        if self.options.adapter != "none":
            assert self.resources.pairs is not None, "NEEDS names it"
            features = features + self.resources.pairs.mean
            if self.options.adapter == "covariance":
                normal = torch.randn(features.shape, generator=generator)
                features = features + COVARIANCE_SCALE * normal @ self.resources.pairs.root
        return inject_noise(features, self.options.noise_variance, generator=generator)
