"""The loss of text-only training: how well a frozen language model rebuilds captions from their soft prefixes."""

from typing import Any

import torch
from torch.nn import functional as F

from ..core.errors import ConfigError

# Language models that take positions from the attention mask: to them, all padding of a row looks the same.
PADDING_ALIKE = ("opt",)


def reconstruction_loss(
    lm: Any,
    prefix: torch.Tensor,
    tokens: torch.Tensor,
    pad_token_id: int,
    count_padding: bool,
    given: torch.Tensor | None = None,
) -> torch.Tensor:
    """Cross-entropy of the caption behind its soft prefix; a float32 scalar.

    The last soft token predicts the first caption token, so every caption token is a label. Nothing attends
    to padding; with `count_padding` the mean runs over padding as well, as in the released code, whose
    labels leave out only the prefix. Where all padding of a row looks the same to the language model, one position
    of it is computed and counted as often as it occurs.

    Args:
        lm: a transformers causal language model; it computes in its own dtype.
        prefix: soft tokens [B, P, lm_dim].
        tokens: token ids [B, L], padded on the right.
        pad_token_id: `LanguageModel.pad_id`, below 0 where the language model has no padding token.
        given: tokens [B, L] that are no labels, those of a prompt.

    Raises:
        ConfigError: padding is to be counted but the language model has no padding token.
    """
    if count_padding and pad_token_id < 0:
        raise ConfigError(
            "this language model has no padding token that the loss could count: set `training.count_padding` to false"
        )
    counts = label_counts(lm, tokens, pad_token_id, count_padding, given)
    width = int(counts.any(dim=0).nonzero().max()) + 1
    tokens, counts = tokens[:, :width], counts[:, :width]
    embed = lm.get_input_embeddings()
    embedded = torch.cat([prefix.to(embed.weight.dtype), embed(tokens.clamp(min=0))], dim=1)
    mask = torch.cat([tokens.new_ones(prefix.shape[:2]), (tokens != pad_token_id).long()], dim=1)
    labels = counts > 0
    logits = _label_logits(lm, embedded, mask, labels)
    losses = F.cross_entropy(logits.float(), tokens[labels].clamp(min=0), reduction="none")
    return (losses * counts[labels]).sum() / counts.sum()


def label_counts(
    lm: Any, tokens: torch.Tensor, pad_token_id: int, count_padding: bool, given: torch.Tensor | None = None
) -> torch.Tensor:
    """How often each token counts as a label, float [B, L]; the arguments are those of `reconstruction_loss`."""
    place = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    own = (tokens != pad_token_id).sum(dim=1, keepdim=True)
    if not count_padding:
        counts = (place < own).float()
    elif lm.config.model_type in PADDING_ALIKE:
        behind_padding = tokens.shape[1] - own - 1
        counts = (place <= own).float() + (place == own + 1) * behind_padding
    else:
        counts = torch.ones_like(place, dtype=torch.float)
    return counts if given is None else counts.masked_fill(given, 0)


def _label_logits(lm: Any, embedded: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The logits [n, vocabulary] that predict the n labels among the last tokens, [B, L], of embeddings [B, P + L, d].

    What the other positions would predict is not computed.
    """

    def of_labels(_: Any, hidden: tuple[torch.Tensor]) -> torch.Tensor:
        return hidden[0][:, :-1][labels]

    hook = lm.get_output_embeddings().register_forward_pre_hook(of_labels)
    try:
        kept = labels.shape[1] + 1
        return lm(inputs_embeds=embedded, attention_mask=mask, logits_to_keep=kept, use_cache=False).logits
    finally:
        hook.remove()
