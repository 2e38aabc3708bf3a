"""open_clip's residual attention block, written out."""

from typing import Any

import torch
from torch.nn import functional as F


class Block:
    """A `ResidualAttentionBlock` of open_clip, [B, T, width] -> [B, T, width]; its numbers are the same to rounding.

    Written out, it gives its attention map, and its matrix products can be replaced by faster ones (`fast`):
    `nn.MultiheadAttention` allows neither.
    """

    def __init__(self, block: Any) -> None:
        self.block = block

    def __call__(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """The block's output; `mask` [T, T] is added to the attention logits."""
        q, k, v = self._queries_keys_values(x)
        attended = F.scaled_dot_product_attention(q, k, v, None if mask is None else mask.to(q.dtype))
        return self.add(x, _join_heads(attended))

    def with_attention(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The block's output and its attention [B, heads, T, T]."""
        q, k, v = self._queries_keys_values(x)
        attention = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
        return self.add(x, _join_heads(attention @ v)), attention

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values of all heads side by side [B, T, 3 width], from the normalised input."""
        return F.linear(x, self.block.attn.in_proj_weight, self.block.attn.in_proj_bias)

    def add(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The block's output, from its input and the output of its attention heads, both [B, T, width]."""
        x = x + self.block.ls_1(self.block.attn.out_proj(attended))
        return x + self.block.ls_2(self.block.mlp(self.block.ln_2(x)))

    def _queries_keys_values(self, x: torch.Tensor) -> torch.Tensor:
        """[3, B, heads, T, width / heads]."""
        heads = self.block.attn.num_heads
        return self.project(self.block.ln_1(x)).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)


def _join_heads(attended: torch.Tensor) -> torch.Tensor:
    """[B, heads, T, d] -> [B, T, heads d]."""
    return attended.transpose(1, 2).flatten(2)


def is_standard(transformer: Any) -> bool:
    """Whether all blocks of an open_clip transformer are those that `Block` writes out."""
    from open_clip.transformer import ResidualAttentionBlock

    return all(type(block) is ResidualAttentionBlock for block in transformer.resblocks)
