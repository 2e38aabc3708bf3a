"""Residual attention blocks of an image tower on a CPU, by oneDNN: with weights packed once, and with the activation or
the residual computed within each product."""

from typing import Any

import torch
from torch import nn

from ..attention_block import Block
from ..torch_private import linear_pointwise, reorder_linear_weight
from .matrix_products import available

QUICK_GELU = 1.702  # QuickGELU(x) = x sigmoid(1.702 x) = swish(1.702 x) / 1.702


def image_blocks(visual: Any, rows: int) -> list[Any]:
    """The blocks of an open_clip ViT: fused where they can be, else its own.

    Fused blocks hold the weights a second time, laid out for products of `rows` rows (a batch's tokens); products of
    more or fewer rows are right as well, but slower.
    """
    return [_prepared(block, rows) for block in visual.transformer.resblocks]


def _prepared(block: Any, rows: int) -> Any:
    weight, activation = block.mlp.c_fc.weight, _activation(block)
    fusable = (
        available()
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and isinstance(block.ls_1, nn.Identity)
        and isinstance(block.ls_2, nn.Identity)
    )
    return FusedBlock(block, rows, *activation) if activation and fusable else block


def _activation(block: Any) -> tuple[str, str, float] | None:
    """oneDNN's name and algorithm of a block's activation, and the factor of its argument; None: it has none."""
    from open_clip.transformer import QuickGELU

    activation = block.mlp.gelu
    if type(activation) is QuickGELU:
        return "swish", "", QUICK_GELU
    if type(activation) is nn.GELU:
        return "gelu", activation.approximate, 1.0
    return None


class FusedBlock(Block):
    """See `Block`; the weights before the activation hold the factor of its argument, those after it the inverse."""

    def __init__(self, block: Any, rows: int, activation: str, algorithm: str, factor: float) -> None:
        super().__init__(block)
        self.activation, self.algorithm = activation, algorithm
        attention, expand, contract = block.attn, block.mlp.c_fc, block.mlp.c_proj
        self.product = linear_pointwise()
        self.projected = _packed(attention.in_proj_weight, attention.in_proj_bias, rows)
        self.out = _packed(attention.out_proj.weight, attention.out_proj.bias, rows)
        self.expand = _packed(expand.weight * factor, expand.bias * factor, rows)
        self.contract = _packed(contract.weight / factor, contract.bias, rows)

    def project(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(x, *self.projected, "none", [], "")

    def add(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        x = self.product.binary(attended, x, *self.out, "add")
        hidden = self.product(self.block.ln_2(x), *self.expand, self.activation, [], self.algorithm)
        return self.product.binary(hidden, x, *self.contract, "add")


@torch.inference_mode()
def _packed(weight: torch.Tensor, bias: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    return reorder_linear_weight()(weight.detach().contiguous(), rows), bias.detach()
