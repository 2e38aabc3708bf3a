"""From image features to captions: soft tokens, beam search over all noise draws at once, CLIP reranking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from .config import DecodingSettings
from .encoder import Encoder
from .errors import EncoderError
from .features import ImageFeatures, TextFeatures
from .language_model import LanguageModel
from .methods import CaptioningMethod
from .progress import progress


def clean_caption(text: str) -> str:
    """The released code's cleaning of a prediction, in its order; letter case stays."""
    text = text.split("Answer:")[-1].replace("<PAD>", "")
    text = re.sub(r"[^a-zA-Z0-9 ,.]", "", text)
    text = re.sub(r" +", " ", text)
    text = re.sub(r"\.+", ".", text)
    return re.sub(r"\d{4}", "", text).strip()


def load_adaptor(method: CaptioningMethod, weights: Path | str, feature_dim: int, lm_dim: int) -> nn.Module:
    """The trained adaptor of a run.

    Raises:
        EncoderError: the weights were trained for another encoder, language model or configuration.
    """
    adaptor = method.adaptor(feature_dim, lm_dim)
    try:
        adaptor.load_state_dict(load_file(weights))
    except RuntimeError as error:
        raise EncoderError(
            f"{weights}: does not fit features of dimension {feature_dim} and a language model of width {lm_dim}; "
            f"use the encoder and language model that the run was trained with ({error})"
        ) from error
    return adaptor.eval().requires_grad_(False)


class Captioner:
    """A trained run at work.

    Args:
        memory: features of the training captions, for methods that project onto them (None for others).
        seed: decides each image's noise draws.
    """

    def __init__(
        self,
        encoder: Encoder,
        lm: LanguageModel,
        method: CaptioningMethod,
        adaptor: nn.Module,
        memory: TextFeatures | None,
        decoding: DecodingSettings,
        seed: int,
    ) -> None:
        self.encoder, self.lm, self.method, self.memory = encoder, lm, method, memory
        self.decoding, self.seed = decoding, seed
        self.adaptor = adaptor.to(lm.device)

    @torch.inference_mode()
    def soft_tokens(self, images: ImageFeatures) -> torch.Tensor:
        """Soft tokens [B, draws, P, lm_dim] of some images."""
        inputs = self.method.image_input(images, self.memory, self.decoding, self.seed)
        return self.adaptor(inputs.flatten(0, 1).to(self.lm.device)).unflatten(0, inputs.shape[:2])

    def caption_batch(self, images: ImageFeatures) -> list[dict[str, Any]]:
        """`{image_id, caption, candidates, scores}` of each image; scores are cosines to its global feature."""
        decoding = self.decoding
        prefix = self.soft_tokens(images)
        texts = self.lm.generate(
            prefix.flatten(0, 1), [""] * (prefix.shape[0] * prefix.shape[1]),
            beams=decoding.beams, max_new_tokens=decoding.max_new_tokens,
        )  # fmt: skip
        if decoding.clean:
            texts = [clean_caption(text) for text in texts]
        unique = list(dict.fromkeys(text[: decoding.rerank_characters] for text in texts))
        features = self.encoder.text_features(unique)
        rows = torch.tensor([unique.index(text[: decoding.rerank_characters]) for text in texts])
        candidates = features[rows].unflatten(0, prefix.shape[:2])
        scores = (candidates @ images.global_.unsqueeze(-1)).squeeze(-1)
        draws = prefix.shape[1]
        return [
            {
                "image_id": int(image_id),
                "caption": texts[i * draws + int(scores[i].argmax())],
                "candidates": texts[i * draws : (i + 1) * draws],
                "scores": [round(float(score), 6) for score in scores[i]],
            }
            for i, image_id in enumerate(images.ids)
        ]

    def caption(self, images: ImageFeatures) -> list[dict[str, Any]]:
        """Captions of all images, batch by batch."""
        size, predictions = self.decoding.batch_size, []
        for begin in progress(range(0, len(images), size), "captioning", -(-len(images) // size)):
            predictions += self.caption_batch(images.rows(slice(begin, begin + size)))
        return predictions
