"""The blind end of the scale: a learned prefix that sees neither image nor text feature, what captions cost nothing."""

from __future__ import annotations

import torch

from ..config import DecodingSettings
from ..features import ImageFeatures
from .base import CaptioningMethod, PrefixMLP


class Method(CaptioningMethod):
    name = "blind"

    def adaptor(self, feature_dim: int, lm_dim: int) -> PrefixMLP:
        return PrefixMLP(feature_dim, lm_dim, self.training.queries)

    def training_input(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.zeros_like(features)

    def image_input(
        self, images: ImageFeatures, memory: torch.Tensor, decoding: DecodingSettings, generator: torch.Generator
    ) -> torch.Tensor:
        return torch.zeros_like(images.global_).unsqueeze(1)
