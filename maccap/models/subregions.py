"""Subregion features: attention-weighted sums of image tokens, fused with the global feature."""

import torch
from torch.nn import functional as F


def attended_tokens(attention: torch.Tensor, k: int) -> torch.Tensor:
    """Indices [B, k] of the tokens that the class token attends to most, highest first.

    The class token itself (index 0) may be among them, as in the released code.

    Raises:
        ValueError: k is not between 1 and the number of tokens.
    """
    count = attention.shape[-1]
    if not 1 <= k <= count:
        raise ValueError(f"{k} subregions were asked for, the image has {count} tokens: choose 1 to {count}")
    return attention[:, 0].topk(k, dim=-1).indices


def aggregate(tokens: torch.Tensor, attention: torch.Tensor, k: int, *, released: bool = True) -> torch.Tensor:
    """Subregion features [B, k, d], L2-normalised, from tokens [B, T, d] and attention [B, T, T].

    A subregion weighs the tokens by the attention row of one attended token. `released` passes each row, already a
    distribution, through softmax once more, as the released code does; the weights are then nearly uniform.
    """
    top = attended_tokens(attention, k)
    rows = attention.gather(1, top.unsqueeze(-1).expand(-1, -1, attention.shape[-1]))
    return F.normalize((rows.softmax(dim=-1) if released else rows) @ tokens, dim=-1)


def fuse(global_features: torch.Tensor, subregions: torch.Tensor, weight: float) -> torch.Tensor:
    """Normalised global feature [B, d] plus `weight` times each subregion [B, k, d]: [B, k, d], not normalised."""
    return F.normalize(global_features, dim=-1).unsqueeze(1) + weight * subregions
