"""What a compared method must say: its adaptor, what the adaptor reads in training, and what for an image."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from ..config import DecodingSettings, TrainingSettings
from ..errors import EncoderError
from ..features import ImageFeatures, TextFeatures


class CaptioningMethod(ABC):
    """A text-only captioning method: everything but the frozen encoder and language model."""

    name: str

    def __init__(self, training: TrainingSettings) -> None:
        self.training = training

    @abstractmethod
    def adaptor(self, feature_dim: int, lm_dim: int) -> nn.Module:
        """A fresh trainable module from embeddings to soft tokens [B, P, lm_dim]."""

    @abstractmethod
    def training_input(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """What the adaptor reads in place of an image: from text features [B, d]."""

    @abstractmethod
    def image_input(
        self, images: ImageFeatures, memory: TextFeatures | None, decoding: DecodingSettings, seed: int
    ) -> torch.Tensor:
        """What the adaptor reads for images, [B, draws, ...].

        `memory` holds the training captions' features where the method is one of `maccap.profile.MEMORY_METHODS`.
        """


class PrefixMLP(nn.Module):
    """One embedding [B, d] to soft tokens [B, P, lm_dim] through one hidden layer (ClipCap's MLP mapper)."""

    def __init__(self, feature_dim: int, lm_dim: int, num_tokens: int) -> None:
        super().__init__()
        hidden = lm_dim * num_tokens // 2
        self.feature_dim, self.num_tokens = feature_dim, num_tokens
        self.layers = nn.Sequential(
            nn.Linear(feature_dim, hidden), nn.Tanh(), nn.Linear(hidden, lm_dim * num_tokens)
        )  # fmt: skip

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if features.shape[-1] != self.feature_dim:
            raise EncoderError(
                f"the adaptor takes features of dimension {self.feature_dim}, these have {features.shape[-1]}: "
                "use the encoder that the adaptor was trained with"
            )
        return self.layers(features).unflatten(-1, (self.num_tokens, -1))
