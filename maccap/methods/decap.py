"""DeCap (Li et al., ICLR 2023): clean text embeddings in training; images are projected onto a text memory.

The memory holds the training captions, 500,000 random ones where there are more, as in the original. The decoder is an
MLP in front of the same frozen language model as the other methods have, where the original trains a small Transformer
from scratch.
"""

import torch
from torch.nn import functional as F

from ..core.settings import GenerationSettings
from ..data.features import ImageFeatures
from ..data.text_corpus import TextBatch, memory
from ..models.memory_projection import project
from .base import TrainedMethod

NEEDS = ("adaptor", "memory")


class Method(TrainedMethod):
    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        return F.normalize(batch.features, dim=-1)

    def image_input(self, images: ImageFeatures, generation: GenerationSettings, draws: int, seed: int) -> torch.Tensor:
        assert self.resources.memory is not None, "NEEDS names it"
        return project(images.global_, memory(self.resources.memory, seed).features).unsqueeze(1)
