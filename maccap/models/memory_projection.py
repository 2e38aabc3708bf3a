"""Projection of features onto a memory of text features, as DeCap does it (Li et al., ICLR 2023)."""

import torch
from torch.nn import functional as F

TEMPERATURE = 0.01


def project(features: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """Memory projection: softmax(features @ memory.T / 0.01) @ memory, L2-normalised; [B, d], [M, d] -> [B, d]."""
    weights = (features @ memory.T / TEMPERATURE).softmax(dim=-1)
    return F.normalize(weights @ memory, dim=-1)
