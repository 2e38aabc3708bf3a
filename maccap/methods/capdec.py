"""CapDec (Nukrai, Mokady and Globerson, EMNLP Findings 2022): one noisy copy in training, no noise for images.

Its mapper is an MLP onto as many soft tokens as MacCap has queries, in front of the same frozen language model.
"""

import torch

from ..data.text_corpus import TextBatch
from ..models.noise import inject_noise
from .base import TrainedMethod

NEEDS = ("adaptor",)


class Method(TrainedMethod):
    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        return inject_noise(batch.features, self.training.noise_variance, generator=generator)
