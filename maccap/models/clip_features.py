"""Features of an open_clip model: of texts, and of images with all tokens and the last attention map."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..core.errors import EncoderError
from .devices import plain


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """`model.encode_text(tokens)`, [B, d], not normalised, of token ids int64 [B, context].

    What stands behind a batch's longest text is not computed where it changes nothing: in a tower like CLIP's, which is
    causal and reads its feature at the end token, the one with the highest id.
    """
    if plain() or getattr(model, "text_pool_type", None) != "argmax" or not _is_standard(model.transformer):
        return model.encode_text(tokens)
    ends = tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    projection = model.text_projection
    return projection(x) if isinstance(projection, nn.Linear) else x @ projection


def image_tokens_and_attention(model: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Global features, projected tokens and the last block's attention of an open_clip ViT.

    Args:
        model: an open_clip model whose image tower is a ViT with a class token.
        images: float [B, 3, H, W], already normalised by the model's transform.

    Returns:
        global features [B, d] as the image tower returns them; all tokens [B, T, d], class token first, after
        `ln_post` and the visual projection, L2-normalised; the attention map [B, T, T] of the last block,
        averaged over heads (the released code's `require_attn`).

    Raises:
        EncoderError: the image tower has no class token or pools otherwise.
    """
    visual: Any = getattr(model, "visual", None)
    require_class_token(visual)
    patches = visual.conv1(images).flatten(2).transpose(1, 2)
    class_token = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    x = torch.cat([class_token, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
    x = visual.ln_pre(visual.patch_dropout(x))
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    normalised = last.ln_1(x)
    attended, attention = last.attn(normalised, normalised, normalised)
    x = x + last.ls_1(attended)
    x = x + last.ls_2(last.mlp(last.ln_2(x)))
    tokens = visual.ln_post(x)
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    return tokens[:, 0], F.normalize(tokens, dim=-1), attention


def has_class_token(visual: Any) -> bool:
    """Whether `image_tokens_and_attention` can read an image tower."""
    from open_clip.transformer import VisionTransformer

    return (
        isinstance(visual, VisionTransformer)
        and visual.pool_type == "tok"
        and visual.attn_pool is None
        and _is_standard(visual.transformer)
    )


def require_class_token(visual: Any) -> None:
    """Refuse an image tower that `image_tokens_and_attention` cannot read.

    Raises:
        EncoderError: the image tower is another one.
    """
    if not has_class_token(visual):
        raise EncoderError(
            "subregions need a ViT image tower with a class token and standard attention (not SigLIP, CoCa, a ResNet "
            "or another timm model): choose one such as ViT-B-32"
        )


def _is_standard(transformer: Any) -> bool:
    """Whether all blocks of an open_clip transformer are CLIP's own."""
    from open_clip.transformer import ResidualAttentionBlock

    return all(type(block) is ResidualAttentionBlock for block in transformer.resblocks)
