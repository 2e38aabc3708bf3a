"""MAGIC (Su et al., 2022): CLIP-guided decoding of a language model that has learned the captions' style.

At each step the `candidates` most probable tokens are scored by (1 - alpha) times their probability, minus alpha times
the greatest cosine of their hidden state to an earlier one (degeneration), plus beta times CLIP's softmax over the
continued captions. MAGIC learns the style by fine-tuning its GPT-2 on the captions; here the shared language model
stays frozen and learns it through soft tokens that do not look at the caption (prefix tuning).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from ..data.features import ImageFeatures
from ..data.text_corpus import TextBatch
from ..models.encoder import EncodedOnce
from .base import CaptioningContext, TrainedMethod

NEEDS = ("adaptor",)


@dataclass(frozen=True)
class Options:
    """As published for COCO: `candidates` per step, `alpha` and `beta` as above."""

    candidates: Annotated[int, Field(ge=1)] = 45
    alpha: float = 0.1
    beta: float = 2.0


class StylePrefix(nn.Module):
    """The same learned soft tokens [B, P, lm_dim] for every input [B, ...]."""

    def __init__(self, lm_dim: int, num_tokens: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(0.02 * torch.randn(num_tokens, lm_dim))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.tokens.expand(len(features), -1, -1)


class Method(TrainedMethod):
    def adaptor(self, feature_dim: int, lm_dim: int) -> StylePrefix:
        return StylePrefix(lm_dim, self.training.queries)

    def training_input(self, batch: TextBatch, generator: torch.Generator) -> torch.Tensor:
        return batch.features

    def candidates(self, context: CaptioningContext, images: ImageFeatures) -> list[list[str]]:
        """MAGIC search, one caption for each image, [B][1]."""
        lm, rows = context.lm, torch.arange(len(images), device=context.lm.device)
        prompts = [context.generation.prompt] * len(images)
        embedded, _ = lm.embed(context.soft_tokens(images)[:, 0], prompts)  # unpadded: rows have the same prompt
        lm.require_room(embedded.shape[1] + context.generation.max_new_tokens, "queries, prompt or max_new_tokens")
        state = lm.model(inputs_embeds=embedded, use_cache=True, output_hidden_states=True)
        cache, logits = state[lm.cache_name], state.logits[:, -1]
        hidden = state.hidden_states[-1][:, -1:]  # of the begin token or prompt: soft tokens are no text to repeat
        ids = torch.empty(len(images), 0, dtype=torch.long, device=lm.device)
        for _ in range(context.generation.max_new_tokens):
            probability, tokens = logits.float().softmax(dim=-1).topk(min(self.options.candidates, logits.shape[-1]))
            width = tokens.shape[1]
            cache.reorder_cache(rows.repeat_interleave(width))
            state = lm.model(
                input_ids=tokens.reshape(-1, 1), use_cache=True, output_hidden_states=True, **{lm.cache_name: cache}
            )
            new = state.hidden_states[-1].reshape(len(images), width, -1)
            continued = torch.cat([ids.unsqueeze(1).expand(-1, width, -1), tokens.unsqueeze(2)], dim=2)
            repeats = (F.normalize(new, dim=-1) @ F.normalize(hidden, dim=-1).mT).amax(dim=2)
            guide = self._guidance(context, images, continued).to(probability)
            alpha, beta = self.options.alpha, self.options.beta
            best = ((1 - alpha) * probability - alpha * repeats + beta * guide).argmax(dim=1)
            cache.reorder_cache(rows * width + best)
            logits = state.logits[:, -1].reshape(len(images), width, -1)[rows, best]
            hidden = torch.cat([hidden, new[rows, best].unsqueeze(1)], dim=1)
            ids = continued[rows, best]
            if (ids == lm.end_id).any(dim=1).all():
                break
        return [[lm.text(own)] for own in ids]

    def _guidance(self, context: CaptioningContext, images: ImageFeatures, ids: torch.Tensor) -> torch.Tensor:
        """CLIP's probability of each continued caption [B, k, L] among those of its image: [B, k]."""
        features = EncodedOnce(context.encoder).features([context.lm.text(own) for own in ids.flatten(0, 1)])
        cosines = torch.einsum("bkd,bd->bk", features.unflatten(0, ids.shape[:2]), images.global_)
        return (context.encoder.logit_scale * cosines).softmax(dim=1)
