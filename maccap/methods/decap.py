"""DeCap (Li et al., ICLR 2023): clean text embeddings in training; images are projected onto a text memory.

The memory holds the training captions, 500,000 random ones where there are more, as in the original. The decoder is an
MLP in front of the same frozen language model as the other methods have, where the original trains a small Transformer
from scratch.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn import functional as F

from ..config import DecodingSettings
from ..features import ImageFeatures, TextFeatures
from .base import CaptioningMethod, PrefixMLP

TEMPERATURE = 0.01
MEMORY_SIZE = 500_000


def project(features: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """Memory projection: softmax(features @ memory.T / 0.01) @ memory, L2-normalised; [B, d], [M, d] -> [B, d]."""
    weights = (features @ memory.T / TEMPERATURE).softmax(dim=-1)
    return F.normalize(weights @ memory, dim=-1)


@lru_cache(maxsize=1)
def sample_memory(memory: TextFeatures, seed: int) -> torch.Tensor:
    """At most `MEMORY_SIZE` rows of the memory, float32, the same for equal seeds."""
    if len(memory) <= MEMORY_SIZE:
        return memory[torch.arange(len(memory))]
    return memory[torch.randperm(len(memory), generator=torch.Generator().manual_seed(seed))[:MEMORY_SIZE]]


class Method(CaptioningMethod):
    name = "decap"

    def adaptor(self, feature_dim: int, lm_dim: int) -> PrefixMLP:
        return PrefixMLP(feature_dim, lm_dim, self.training.queries)

    def training_input(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return F.normalize(features, dim=-1)

    def image_input(
        self, images: ImageFeatures, memory: TextFeatures | None, decoding: DecodingSettings, seed: int
    ) -> torch.Tensor:
        assert memory is not None, "decap is one of MEMORY_METHODS"
        return project(images.global_, sample_memory(memory, seed)).unsqueeze(1)
