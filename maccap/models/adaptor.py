"""The adaptor decoder: learnable queries read a set of embeddings and become soft tokens of the language model."""

from __future__ import annotations

import torch
from torch import nn

from ..core.errors import EncoderError

HEADS = 8
FEEDFORWARD = 2048
_RELEASED = {
    "query_fusion.weight": "queries", "aligner.": "decoder.", "align_proj.layers.0.": "projection.0.",
    "align_proj.layers.1.": "projection.2.", "align_proj.layers.2.": "projection.4.",
}  # fmt: skip


class Adaptor(nn.Module):
    """Turns CLIP's features [B, k, feature_dim] into soft tokens of a language model [B, num_queries, lm_dim].

    Post-norm Transformer decoder (8 heads, feed-forward 2048, ReLU, no positions, final norm) over
    `num_queries` learnable queries, then a three-layer MLP (released MacCap.py).

    `memory_gain` scales the initial output of cross-attention. At 1, as released, unit-length embeddings start as a few
    percent of the queries' residual stream, and it takes many thousand steps until the adaptor listens to them.
    """

    def __init__(
        self,
        feature_dim: int,
        lm_dim: int,
        num_queries: int = 32,
        num_layers: int = 1,
        *,
        dropout: float = 0.1,
        memory_gain: float = 1.0,
    ) -> None:
        super().__init__()
        if feature_dim % HEADS:
            raise EncoderError(f"feature dimension {feature_dim} is not a multiple of the adaptor's {HEADS} heads")
        layer = nn.TransformerDecoderLayer(feature_dim, HEADS, FEEDFORWARD, dropout, batch_first=True)
        self.queries = nn.Parameter(torch.randn(num_queries, feature_dim))
        self.decoder = nn.TransformerDecoder(layer, num_layers, nn.LayerNorm(feature_dim))
        with torch.no_grad():
            for block in self.decoder.layers:
                block.multihead_attn.out_proj.weight *= memory_gain
        self.projection = nn.Sequential(
            nn.Linear(feature_dim, feature_dim), nn.ReLU(),
            nn.Linear(feature_dim, feature_dim), nn.ReLU(),
            nn.Linear(feature_dim, lm_dim),
        )  # fmt: skip

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Soft tokens [B, num_queries, lm_dim] of the embeddings [B, k, feature_dim].

        Raises:
            EncoderError: the embeddings have another dimension than the adaptor was trained with.
        """
        if features.shape[-1] != self.queries.shape[-1]:
            raise EncoderError(
                f"the adaptor takes features of dimension {self.queries.shape[-1]}, these have {features.shape[-1]}: "
                "use the encoder that the adaptor was trained with"
            )
        queries = self.queries.expand(len(features), -1, -1)
        return self.projection(self.decoder(queries, features))

    @classmethod
    def from_released(cls, state_dict: dict[str, torch.Tensor]) -> Adaptor:
        """Load the authors' parameter names (`query_fusion`, `aligner`, `align_proj`); sizes come from the weights.

        Raises:
            EncoderError: a parameter is missing or unknown.
        """
        renamed = {}
        for name, value in state_dict.items():
            for released, own in _RELEASED.items():
                name = name.replace(released, own)
            renamed[name] = value
        try:
            num_queries, feature_dim = renamed["queries"].shape
            lm_dim = len(renamed["projection.4.bias"])
            num_layers = 1 + max(int(n.split(".")[2]) for n in renamed if n.startswith("decoder.layers."))
            adaptor = cls(feature_dim, lm_dim, num_queries, num_layers)
            adaptor.load_state_dict(renamed)
        except (KeyError, ValueError, RuntimeError) as error:
            raise EncoderError(f"these are not the weights of a released adaptor: {error}") from error
        return adaptor
