"""CLIP through open_clip: text features; image features with all tokens and the last attention map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from .errors import EncoderError


@dataclass(frozen=True)
class Encoder:
    """A frozen open_clip model with its tokenizer and its image transform."""

    model: Any
    tokenizer: Any
    transform: Any

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @torch.inference_mode()
    def text_features(self, captions: list[str], batch_size: int = 512) -> torch.Tensor:
        """L2-normalised text features, float32 [N, d], on the CPU.

        Captions are encoded longest first, so that each batch is cut to its own longest caption;
        a caption longer than the context loses its tail but keeps the end token.
        """
        if not captions:
            raise EncoderError("no captions to encode: pass at least one")
        ids = self.tokenizer(captions)
        order = torch.argsort(ids.argmax(dim=-1), descending=True, stable=True)
        batches = [
            F.normalize(encode_text(self.model, ids[rows].to(self.device)).float(), dim=-1).cpu()
            for rows in order.split(batch_size)
        ]
        features = torch.cat(batches)
        return features[torch.argsort(order)]


def load_encoder(name: str, pretrained: str | None = None, device: str = "cpu") -> Encoder:
    """Load an open_clip model by name and weights tag, or from a local folder holding open_clip_config.json.

    Raises:
        EncoderError: the folder or the name does not exist.
    """
    import open_clip

    folder = Path(name)
    if folder.is_dir():
        name, pretrained = f"local-dir:{folder}", None
    elif "/" in name and ":" not in name:
        raise EncoderError(f"encoder folder {name} does not exist: correct `encoder.name` in the config")
    try:
        model, _, transform = open_clip.create_model_and_transforms(name, pretrained=pretrained, device=device)
        tokenizer = open_clip.get_tokenizer(name)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        raise EncoderError(f"encoder {name!r} ({pretrained}): {error}; see `encoder` in the config") from error
    return Encoder(model.eval().requires_grad_(False), tokenizer, transform)


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Text features [B, d], not normalised, of token ids [B, context].

    CLIP's text tower is causal and reads only its end token (the highest id), so positions after the last
    end token of the batch are cut off; towers that pool otherwise go through open_clip unchanged.
    """
    if getattr(model, "text_pool_type", None) != "argmax":
        return model.encode_text(tokens)
    ends = tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    projection = model.text_projection
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection


def image_tokens_and_attention(model: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Global features, projected tokens and the last block's attention of an open_clip ViT.

    Args:
        model: an open_clip model whose image tower is a ViT with a class token.
        images: float [B, 3, H, W], already normalised by the model's transform.

    Returns:
        global features [B, d] as the tower returns them; all tokens [B, T, d], class token first, after
        `ln_post` and the visual projection, L2-normalised; the attention map [B, T, T] of the last block,
        averaged over heads (the released code's `require_attn`).

    Raises:
        EncoderError: the image tower has no class token or pools otherwise.
    """
    visual: Any = getattr(model, "visual", None)
    if not hasattr(visual, "class_embedding") or getattr(visual, "pool_type", None) != "tok" or visual.attn_pool:
        raise EncoderError("subregions need a ViT image tower with a class token, such as ViT-B-32; choose one")
    x = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    normed = last.ln_1(x)
    attended, attention = last.attn(normed, normed, normed, need_weights=True, average_attn_weights=True)
    x = x + last.ls_1(attended)
    x = x + last.ls_2(last.mlp(last.ln_2(x)))
    tokens = visual.ln_post(x)
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    return tokens[:, 0], F.normalize(tokens, dim=-1), attention
