"""MacCap (Qiu, Ning and He, AAAI 2024): several noisy copies in training, noisy fused subregions for images."""

import torch

from ..core.settings import GenerationSettings
from ..data.features import ImageFeatures
from ..data.text_corpus import TextBatch
from ..models.adaptor import Adaptor
from ..models.noise import image_noise, inject_noise
from ..models.subregions import aggregate, fuse
from .base import TrainedMethod

NEEDS = ("adaptor",)


class Method(TrainedMethod):
    def adaptor(self, feature_dim: int, lm_dim: int) -> Adaptor:
        settings = self.training
        return Adaptor(
            feature_dim,
            lm_dim,
            settings.queries,
            settings.layers,
            dropout=settings.dropout,
            memory_gain=settings.memory_gain,
        )

    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        """`copies` noisy copies of each caption's embedding, [B, copies, d] ("region noise")."""
        copies = batch.features.unsqueeze(1).expand(-1, self.training.copies, -1)
        return inject_noise(copies, self.training.noise_variance, generator=generator)

    def image_input(self, images: ImageFeatures, generation: GenerationSettings, draws: int, seed: int) -> torch.Tensor:
        """Fused subregions under `draws` noise draws, [B, draws, subregions, d]."""
        regions = aggregate(images.tokens, images.attention, generation.subregions, released=generation.double_softmax)
        fused = fuse(images.global_, regions, generation.patch_weight)
        repeated = fused.unsqueeze(1).expand(-1, draws, -1, -1)
        noise = image_noise(seed, images.ids, tuple(repeated.shape[1:]))
        return inject_noise(repeated, generation.noise_variance, noise=noise)
