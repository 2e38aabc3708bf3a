"""Text features of CLIP without computing the padding behind a batch's longest text."""

from typing import Any

import torch

from ..attention_block import Block, is_standard


def applies(model: Any) -> bool:
    """Whether a model's text features depend on nothing behind the end token, as in CLIP: it is causal, and the feature
    is read at the end token, the one with the highest id."""
    return getattr(model, "text_pool_type", None) == "argmax" and is_standard(model.transformer)


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """`model.encode_text(tokens)`, [B, d], for token ids [B, context] of a model to which this applies."""
    ends = tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    for block in model.transformer.resblocks:
        x = Block(block)(x, model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    projection = model.text_projection
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
