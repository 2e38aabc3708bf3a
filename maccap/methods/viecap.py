"""ViECap (Fei et al., ICCV 2023): a hard prompt of the image's entities beside a soft prompt.

In training the entities are the caption's own words that are in the vocabulary, each hidden with a probability of 0.4;
for an image they are those of the vocabulary that CLIP finds in it. Soft tokens come first, as in its training scripts.
Its GPT-2 and Transformer mapper are replaced by the shared language model and the MLP of the other methods, its noun
tagger by the vocabulary itself.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from pydantic import Field

from ..core.settings import GenerationSettings
from ..data.features import ImageFeatures
from ..data.text_corpus import TextBatch
from ..models.encoder import EncodedOnce
from ..models.noise import inject_noise
from .base import TrainedMethod

NEEDS = ("adaptor", "vocabulary")
MASKING_RATE = 0.4
TEMPERATURE = 0.01


@dataclass(frozen=True)
class Options:
    """As published for COCO, in front of a language model that understands the `prompt`.

    `vocabulary` is a file of entities, one a line; at most `entities` of probability `threshold` or more are named.
    """

    vocabulary: str
    entities: Annotated[int, Field(ge=0)] = 3
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.4
    prompt: Annotated[str, Field(pattern=r"^[^{}]*(\{entities\}[^{}]*)*$")] = "There are {entities} in image."


class Method(TrainedMethod):
    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        return inject_noise(batch.features, self.training.noise_variance, generator=generator)

    def training_prompts(self, batch: TextBatch, generator: torch.Generator) -> list[str]:
        prompts = []
        for text in batch.texts:
            found = self.mentioned(text)
            kept = torch.rand(len(found), generator=generator) >= MASKING_RATE
            prompts.append(self.hard_prompt([word for word, keep in zip(found, kept.tolist(), strict=True) if keep]))
        return prompts

    def image_prompts(self, images: ImageFeatures, encoded: EncodedOnce, generation: GenerationSettings) -> list[str]:
        words = self.resources.vocabulary
        features = encoded.features([f"A photo of {word}" for word in words])
        probability = (images.global_ @ features.T / TEMPERATURE).softmax(dim=1)
        best = probability.topk(min(self.options.entities, len(words)), dim=1)
        return [
            self.hard_prompt([words[i] for i, p in zip(own, chance, strict=True) if p >= self.options.threshold])
            for own, chance in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def hard_prompt(self, entities: list[str]) -> str:
        """The prompt of some entities; without any it names something, as published."""
        return str(self.options.prompt).format(entities=", ".join(entities) or "something")

    def mentioned(self, text: str) -> list[str]:
        """The vocabulary's entities in a caption, each once, in the caption's order; a plural counts."""
        return list(dict.fromkeys(self._singular[found] for found in self._pattern.findall(text.lower())))

    @cached_property
    def _singular(self) -> dict[str, str]:
        words = self.resources.vocabulary
        return {f"{word}{ending}": word for ending in ("es", "s", "") for word in words}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = sorted(map(re.escape, self._singular), key=len, reverse=True)
        return re.compile(rf"\b(?:{'|'.join(forms)})\b")
