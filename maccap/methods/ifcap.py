"""IFCap (Lee et al., EMNLP 2024): image-like retrieval and a fusion module.

In training, a caption's embedding with noise, so that it is like an image's, retrieves the nearest other captions; the
fusion module attends from the embedding to them. An image retrieves without noise. Retrieval here draws new noise at
every step, the released code once. Left out: its prompt of frequent entities. Its GPT-2 and Transformer mapper are
replaced by the shared language model and the MLP of the other methods.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from ..core.errors import ConfigError
from ..core.settings import GenerationSettings
from ..data.features import ImageFeatures
from ..data.text_corpus import TextBatch, memory
from ..models.noise import inject_noise
from .base import PrefixMLP, TrainedMethod

NEEDS = ("adaptor", "memory")
HEADS = 8


@dataclass(frozen=True)
class Options:
    """As released: `neighbours` captions are retrieved, in training with noise of variance `retrieval_variance`."""

    neighbours: Annotated[int, Field(ge=1)] = 5
    retrieval_variance: Annotated[float, Field(ge=0)] = 0.04


class Fusion(nn.Module):
    """An embedding and its neighbours' [B, 1 + k, d] to soft tokens [B, P, lm_dim]."""

    def __init__(self, feature_dim: int, lm_dim: int, num_tokens: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(feature_dim, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(feature_dim)
        self.mapper = PrefixMLP(feature_dim, lm_dim, num_tokens)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        own, neighbours = features[:, :1], features[:, 1:]
        attended = self.attention(own, neighbours, neighbours, need_weights=False)[0]
        return self.mapper(self.norm(own + attended).squeeze(1))


class Method(TrainedMethod):
    def adaptor(self, feature_dim: int, lm_dim: int) -> Fusion:
        return Fusion(feature_dim, lm_dim, self.training.queries)

    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        """The noisy embedding and the neighbours of another noisy one among other captions, [B, 1 + neighbours, d]."""
        own = inject_noise(batch.features, self.training.noise_variance, generator=generator)
        query = inject_noise(batch.features, self.options.retrieval_variance, generator=generator)
        neighbours = self._neighbours(query, batch.rows if batch.source is self.resources.memory else None)
        return torch.cat([own.unsqueeze(1), neighbours], dim=1)

    def image_input(self, images: ImageFeatures, generation: GenerationSettings, draws: int, seed: int) -> torch.Tensor:
        neighbours = self._neighbours(images.global_, None)
        return torch.cat([images.global_.unsqueeze(1), neighbours], dim=1).unsqueeze(1)

    def _neighbours(self, query: torch.Tensor, own: torch.Tensor | None) -> torch.Tensor:
        """Features of the nearest captions in the memory but the caption itself, [B, neighbours, d]."""
        assert self.resources.memory is not None, "NEEDS names it"
        known = memory(self.resources.memory)
        if self.options.neighbours >= len(known.rows):
            raise ConfigError(
                f"ifcap: {self.options.neighbours} neighbours among {len(known.rows)} training captions; lower the "
                "run's option `neighbours`"
            )
        similarity = query @ known.features.T
        if own is not None:
            similarity.masked_fill_(known.rows == own.unsqueeze(1), -torch.inf)
        nearest = similarity.topk(self.options.neighbours, dim=1).indices
        return known.features[nearest]
