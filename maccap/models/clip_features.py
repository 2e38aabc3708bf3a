"""Features of an open_clip model: of texts, and of images with all tokens and the last attention map."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ..core.errors import EncoderError
from .attention_block import Block, is_standard
from .fast import plain, short_texts


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Text features [B, d], not normalised, of token ids int64 [B, context]."""
    if plain() or not short_texts.applies(model):
        return model.encode_text(tokens)
    return short_texts.encode_text(model, tokens)


def image_tokens_and_attention(
    model: Any, images: torch.Tensor, blocks: Sequence[Any] | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Global features, projected tokens and the last block's attention of an open_clip ViT.

    All blocks are open_clip's own, except the last: it is written out, since its attention is needed.

    Args:
        model: an open_clip model whose image tower is a ViT with a class token.
        images: float [B, 3, H, W], already normalised by the model's transform.
        blocks: faster ones in place of the model's own (`fast.fused_blocks.image_blocks`).

    Returns:
        global features [B, d] as the image tower returns them; all tokens [B, T, d], class token first, after
        `ln_post` and the visual projection, L2-normalised; the attention map [B, T, T] of the last block,
        averaged over heads (the released code's `require_attn`).

    Raises:
        EncoderError: the image tower has no class token or pools otherwise.
    """
    visual: Any = getattr(model, "visual", None)
    require_class_token(visual)
    x = embed_patches(visual, images)
    *before, last = blocks or visual.transformer.resblocks
    for block in before:
        x = block(x)
    x, attention = (last if isinstance(last, Block) else Block(last)).with_attention(x)
    tokens = visual.ln_post(x)
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    return tokens[:, 0], F.normalize(tokens, dim=-1), attention.mean(dim=1)


def embed_patches(visual: Any, images: torch.Tensor) -> torch.Tensor:
    """What the first block of an open_clip ViT reads: class token and patches with positions, [B, T, width]."""
    patches = visual.conv1(images.to(visual.conv1.weight)).flatten(2).transpose(1, 2)
    class_token = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    x = torch.cat([class_token, patches], dim=1) + visual.positional_embedding.to(patches.dtype)
    return visual.ln_pre(visual.patch_dropout(x))


def has_class_token(visual: Any) -> bool:
    """Whether `image_tokens_and_attention` can read an image tower."""
    from open_clip.transformer import VisionTransformer

    return (
        isinstance(visual, VisionTransformer)
        and visual.pool_type == "tok"
        and visual.attn_pool is None
        and is_standard(visual.transformer)
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
