"""The towers of an open_clip model: text features, and image features with all tokens and the last attention map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ..core.errors import EncoderError


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
        x = Block(block).run(x, model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    projection = model.text_projection
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection


def image_tokens_and_attention(
    model: Any, images: torch.Tensor, blocks: Sequence[Block] | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Global features, projected tokens and the last block's attention of an open_clip ViT.

    Args:
        model: an open_clip model whose image tower is a ViT with a class token.
        images: float [B, 3, H, W], already normalised by the model's transform.
        blocks: those of the tower, where they are prepared (`fused_blocks.image_blocks`).

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
    *before, last = blocks or [Block(block) for block in visual.transformer.resblocks]
    for block in before:
        x = block.run(x)
    q, k, v = last.queries_keys_values(x)
    attention = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
    tokens = visual.ln_post(last.add(x, _of_heads(attention @ v)))
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    return tokens[:, 0], F.normalize(tokens, dim=-1), attention.mean(dim=1)


class Block:
    """One of open_clip's plain residual attention blocks, [B, T, width] -> [B, T, width].

    It is written out, for `nn.MultiheadAttention` leaves no choice of who multiplies its matrices (`products.onednn`).
    """

    def __init__(self, block: Any) -> None:
        self.block = block

    def run(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """The block's output; `mask` [T, T] is added to the logits of the attention."""
        q, k, v = self.queries_keys_values(x)
        attended = F.scaled_dot_product_attention(q, k, v, None if mask is None else mask.to(q.dtype))
        return self.add(x, _of_heads(attended))

    def queries_keys_values(self, x: torch.Tensor) -> torch.Tensor:
        """[3, B, heads, T, width / heads]."""
        heads = self.block.attn.num_heads
        return self.project(self.block.ln_1(x)).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values of all heads side by side [B, T, 3 width], of the normalised input."""
        return F.linear(x, self.block.attn.in_proj_weight, self.block.attn.in_proj_bias)

    def add(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The block's output, of its input and what its heads attended to, both [B, T, width]."""
        x = x + self.block.ls_1(self.block.attn.out_proj(attended))
        return x + self.block.ls_2(self.block.mlp(self.block.ln_2(x)))


def _of_heads(attended: torch.Tensor) -> torch.Tensor:
    """[B, heads, T, d] -> [B, T, heads d]."""
    return attended.transpose(1, 2).flatten(2)


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
    """Whether `Block` can run all blocks of a transformer."""
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
