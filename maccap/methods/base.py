"""What a compared method must say: how it captions images, and, where it is trained, how its adaptor learns."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from ..core.errors import EncoderError
from ..core.settings import GenerationSettings, TrainingSettings
from ..data.features import ImageFeatures
from ..data.pair_statistics import PairStatistics
from ..data.text_corpus import TextBatch, TextSet
from ..data.vocabulary import read_vocabulary
from ..models.encoder import EncodedOnce, Encoder
from ..models.language_model import LanguageModel


@dataclass(frozen=True)
class NoOptions:
    """The options of a method that has none."""


@dataclass(frozen=True)
class Resources:
    """What methods may read beside the images; the constant `NEEDS` of a method's file says which of these it gets.

    Attributes:
        memory: the training captions with their features ("memory").
        pairs: statistics of image-text pairs of the validation split ("pairs").
        vocabulary: the lines of the file that the method's option `vocabulary` names ("vocabulary").
    """

    memory: TextSet | None = None
    pairs: PairStatistics | None = None
    vocabulary: tuple[str, ...] = ()


def read_resources(
    memory: TextSet | tuple[Sequence[Path], Path] | None = None,
    pairs: Path | None = None,
    vocabulary: Path | None = None,
) -> Resources:
    """Resources from their files.

    Args:
        memory: the training captions, or the shards of their features and their table.

    Raises:
        DataError: a file is missing or damaged; see `read_vocabulary`.
    """
    words = read_vocabulary(vocabulary) if vocabulary else ()
    texts = TextSet.read(*memory) if isinstance(memory, tuple) else memory
    return Resources(texts, PairStatistics.read(pairs) if pairs else None, words)


class CaptioningContext(Protocol):
    """What a method captions with; `maccap.inference.captioning.Captioner` is one."""

    @property
    def encoder(self) -> Encoder: ...
    @property
    def encoded(self) -> EncodedOnce: ...
    @property
    def lm(self) -> LanguageModel: ...
    @property
    def generation(self) -> GenerationSettings: ...
    @property
    def draws(self) -> int: ...
    @property
    def seed(self) -> int: ...
    def soft_tokens(self, images: ImageFeatures) -> torch.Tensor:
        """Soft tokens [B, draws, P, lm_dim] of some images."""


class CaptioningMethod(ABC):
    """A captioning method: everything but the frozen encoder and language model.

    Attributes:
        options: the `Options` of the method's file with the run's values.
    """

    def __init__(self, training: TrainingSettings, options: Any = None, resources: Resources | None = None) -> None:
        self.training, self.resources = training, resources or Resources()
        self.options: Any = options or NoOptions()

    @property
    def name(self) -> str:
        """That of the method's file."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def candidates(self, context: CaptioningContext, images: ImageFeatures) -> list[list[str]]:
        """Captions of each image to choose from, best guess first; `context` has models, settings and seed."""


class TrainedMethod(CaptioningMethod):
    """A method with an adaptor that is trained on text alone: an MLP that reads an image's global feature, unless the
    method says otherwise.
    """

    def adaptor(self, feature_dim: int, lm_dim: int) -> nn.Module:
        """A fresh trainable module from embeddings to soft tokens [B, P, lm_dim]."""
        return PrefixMLP(feature_dim, lm_dim, self.training.queries)

    @abstractmethod
    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        """What the adaptor reads in place of an image: [B, ...]."""

    def image_input(self, images: ImageFeatures, generation: GenerationSettings, draws: int, seed: int) -> torch.Tensor:
        """What the adaptor reads for images, [B, draws, ...], or [B, 1, ...] where it draws no noise."""
        return images.global_.unsqueeze(1)

    def training_prompts(self, batch: TextBatch, generator: torch.Generator) -> list[str]:
        """Text between soft tokens and caption in training, one per row; it is given, not learnt."""
        return [""] * len(batch.texts)

    def image_prompts(self, images: ImageFeatures, encoded: EncodedOnce, generation: GenerationSettings) -> list[str]:
        """Text between soft tokens and caption of each image."""
        return [generation.prompt] * len(images)

    def candidates(self, context: CaptioningContext, images: ImageFeatures) -> list[list[str]]:
        """One beam search behind the soft tokens of each noise draw."""
        generation = context.generation
        prefix = context.soft_tokens(images)
        draws = prefix.shape[1]
        prompts = self.image_prompts(images, context.encoded, generation)
        texts = context.lm.generate(
            prefix.flatten(0, 1), [prompt for prompt in prompts for _ in range(draws)],
            beams=generation.beams, max_new_tokens=generation.max_new_tokens,
        )  # fmt: skip
        return [texts[i : i + draws] for i in range(0, len(texts), draws)]


class PrefixMLP(nn.Module):
    """One embedding [B, d] to soft tokens [B, P, lm_dim] through one hidden layer (ClipCap's MLP mapper).

    The layer is half as wide as the soft tokens, as published, but at most four times `lm_dim`: with 32 tokens in front
    of OPT-1.3b it would have two billion weights.
    """

    def __init__(self, feature_dim: int, lm_dim: int, num_tokens: int) -> None:
        super().__init__()
        hidden = min(lm_dim * num_tokens // 2, 4 * lm_dim)
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
