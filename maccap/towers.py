"""The towers of an open_clip model: text features, and image features with all tokens and the last attention map."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from .errors import EncoderError


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Text features [B, d], not normalised, of token ids [B, context].

    CLIP's text tower is causal and reads only its end token (the highest id), so positions after the last
    end token of the batch are cut off; towers that pool otherwise go through open_clip unchanged.
    """
    if getattr(model, "text_pool_type", None) != "argmax" or not _plain(model.transformer):
        return model.encode_text(tokens)
    ends = tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    for block in model.transformer.resblocks:
        x = run_block(block, x, model.attn_mask[:length, :length])
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
    require_class_token(visual)
    x = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = run_block(block, x)
    q, k, v = _queries_keys_values(last, x)
    attention = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
    tokens = visual.ln_post(_add(last, x, attention @ v))
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    return tokens[:, 0], F.normalize(tokens, dim=-1), attention.mean(dim=1)


def run_block(block: Any, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """One of open_clip's plain residual attention blocks, [B, T, width] -> [B, T, width].

    It is written out, for `nn.MultiheadAttention` leaves no choice of who multiplies its matrices (`products.onednn`).

    Args:
        mask: added to the logits of the attention, [T, T].
    """
    q, k, v = _queries_keys_values(block, x)
    attended = F.scaled_dot_product_attention(q, k, v, None if mask is None else mask.to(q.dtype))
    return _add(block, x, attended)


def _queries_keys_values(block: Any, x: torch.Tensor) -> torch.Tensor:
    """[3, B, heads, T, width / heads]."""
    projected = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)
    return projected.unflatten(-1, (3, block.attn.num_heads, -1)).permute(2, 0, 3, 1, 4)


def _add(block: Any, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """The block's output [B, T, width], of its input and what each head attended to [B, heads, T, width / heads]."""
    x = x + block.ls_1(block.attn.out_proj(attended.transpose(1, 2).flatten(2)))
    return x + block.ls_2(block.mlp(block.ln_2(x)))


def has_class_token(visual: Any) -> bool:
    """Whether an image tower is one that `image_tokens_and_attention` reads."""
    from open_clip.transformer import VisionTransformer

    return (
        isinstance(visual, VisionTransformer)
        and visual.pool_type == "tok"
        and visual.attn_pool is None
        and _plain(visual.transformer)
    )


def _plain(transformer: Any) -> bool:
    """Whether `run_block` can run all blocks of a transformer."""
    from open_clip.transformer import ResidualAttentionBlock

    return all(type(block) is ResidualAttentionBlock for block in transformer.resblocks)


def require_class_token(visual: Any) -> None:
    """Refuse an image tower that `image_tokens_and_attention` cannot read.

    Raises:
        EncoderError: the image tower is another one.
    """
    if not has_class_token(visual):
        raise EncoderError(
            "subregions need a ViT image tower with a class token and plain attention (not SigLIP, CoCa, a ResNet or "
            "another timm model): choose one such as ViT-B-32"
        )
