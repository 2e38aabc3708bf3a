"""From image features to captions: soft tokens, beam search over all noise draws at once, CLIP reranking."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from ..core.artifacts import reading
from ..core.errors import EncoderError
from ..core.progress import progress
from ..core.settings import GenerationSettings, SelectionSettings
from ..data.features import ImageFeatures
from ..methods.base import CaptioningMethod, TrainedMethod
from ..models.encoder import EncodedOnce, Encoder
from ..models.fast.matrix_products import onednn
from ..models.language_model import LanguageModel


def clean_caption(text: str) -> str:
    """The released code's cleaning of a prediction, in its order; letter case stays."""
    text = text.split("Answer:")[-1].replace("<PAD>", "")
    text = re.sub(r"[^a-zA-Z0-9 ,.]", "", text)
    text = re.sub(r" +", " ", text)
    text = re.sub(r"\.+", ".", text)
    return re.sub(r"\d{4}", "", text).strip()


def load_adaptor(method: TrainedMethod, weights: Path | str, feature_dim: int, lm_dim: int) -> nn.Module:
    """The trained adaptor of a run.

    Raises:
        EncoderError: the weights were trained for another encoder, language model or configuration.
        DataError: they are missing or damaged.
    """
    adaptor = method.adaptor(feature_dim, lm_dim)
    with reading(weights, "cannot be read as weights", "copy or train the run again"):
        state = load_file(weights)
    try:
        adaptor.load_state_dict(state)
    except RuntimeError as error:
        raise EncoderError(
            f"{weights}: does not fit features of dimension {feature_dim} and a language model of width {lm_dim}; "
            f"use the encoder and language model that the run was trained with ({error})"
        ) from error
    return adaptor.eval().requires_grad_(False)


@dataclass(frozen=True)
class Captioner:
    """A method at work: frozen models, settings, and the adaptor of methods that have one.

    Attributes:
        draws: noise draws of each image, a candidate each; methods without noise give one.
        seed: decides each image's noise draws.
    """

    encoder: Encoder
    lm: LanguageModel
    method: CaptioningMethod
    adaptor: nn.Module | None
    generation: GenerationSettings
    draws: int
    seed: int

    @cached_property
    def encoded(self) -> EncodedOnce:
        """The features of texts that it has met."""
        return EncodedOnce(self.encoder)

    @torch.inference_mode()
    def soft_tokens(self, images: ImageFeatures) -> torch.Tensor:
        """Soft tokens [B, draws, P, lm_dim] of some images; only trained methods have them."""
        assert isinstance(self.method, TrainedMethod)
        assert self.adaptor is not None
        inputs = self.method.image_input(images, self.generation, self.draws, self.seed)
        adaptor = self.adaptor.to(self.lm.device)
        return adaptor(inputs.flatten(0, 1).to(self.lm.device)).unflatten(0, inputs.shape[:2])

    @torch.inference_mode()
    @onednn()
    def candidates(self, images: ImageFeatures) -> list[list[str]]:
        """The method's captions of each image, as generated, batch by batch."""
        size, found = self.generation.batch_size, []
        for begin in progress(range(0, len(images), size), "captioning", -(-len(images) // size)):
            found += self.method.candidates(self, images.rows(slice(begin, begin + size)))
        return found

    def caption(self, images: ImageFeatures, selection: SelectionSettings) -> list[dict[str, Any]]:
        """Captions of all images, as `choose` gives them."""
        return choose(self.encoded, images, self.candidates(images), selection)


def choose(
    encoded: EncodedOnce, images: ImageFeatures, candidates: list[list[str]], selection: SelectionSettings
) -> list[dict[str, Any]]:
    """`{image_id, caption, candidates, scores}` of each image: of its first `draws` candidates, cleaned if the settings
    say so, the one that CLIP finds nearest, judged by its first characters; scores are cosines to the global feature.
    """
    cleaned = [
        [clean_caption(text) if selection.clean else text for text in own[: selection.draws]] for own in candidates
    ]
    judged = [text[: selection.rerank_characters] for own in cleaned for text in own]
    features = iter(encoded.features(judged))
    predictions = []
    for image_id, image, own in zip(images.ids.tolist(), images.global_, cleaned, strict=True):
        scores = torch.stack([next(features) for _ in own]) @ image.float()
        predictions.append(
            {
                "image_id": image_id,
                "caption": own[int(scores.argmax())],
                "candidates": own,
                "scores": [round(float(score), 6) for score in scores],
            }
        )
    return predictions
