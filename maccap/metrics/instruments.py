"""What a frozen encoder and language model can do before any method is trained on them.

An encoder that does not see what captions say, or a language model that what stands before cannot steer, sets a bound
that no method between them passes.
"""

import re
from collections.abc import Sequence, Set

import numpy as np
import torch
from torch.nn import functional as F

from ..models.language_model import LanguageModel

NOT_COUNTED = -100  # torch's mark of tokens that are left out of a loss


def noticed(images: torch.Tensor, captions: torch.Tensor, exchanged: torch.Tensor) -> float:
    """The share of images that lie nearer to their caption than to the same caption with a word exchanged.

    Args:
        images, captions, exchanged: L2-normalised features [N, d], row by row of the same image. A tie counts half.
    """
    difference = (images * captions).sum(-1) - (images * exchanged).sum(-1)
    return float(((difference > 0).float() + 0.5 * (difference == 0).float()).mean())


def exchanged(
    caption: str, exclusive: Sequence[Sequence[str]], there: Set[str], rng: np.random.Generator
) -> str | None:
    """The caption with one word exchanged for another that excludes it; None if it has no such word.

    Args:
        exclusive: groups of words of which only one can be true, such as colours; a regular plural counts.
        there: lower-case words that are not put in its place.
    """
    parts = re.split(r"([A-Za-z]+)", caption)
    choices = []
    for at in range(1, len(parts), 2):
        for group in exclusive:
            for form in (str, plural):
                if parts[at].lower() in map(form, group):
                    free = [form(w) for w in group if not {w, plural(w)} & there and form(w) != parts[at].lower()]
                    choices += [(at, free)] if free else []
    if not choices:
        return None
    at, free = choices[rng.integers(len(choices))]
    word = free[rng.integers(len(free))]
    parts[at] = word.capitalize() if parts[at][0].isupper() else word
    if at >= 3 and parts[at - 2].lower() in ("a", "an") and parts[at - 1] == " ":
        parts[at - 2] = parts[at - 2][0] + ("n" if word[0] in "aeiou" else "")
    return "".join(parts)


def plural(word: str) -> str:
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


@torch.inference_mode()
def nats_per_token(
    lm: LanguageModel, contexts: Sequence[Sequence[str]], targets: Sequence[str], batch: int = 32
) -> float:
    """Mean negative log-likelihood, in nats, of the tokens of each target and its end token behind the texts before it.

    Args:
        contexts: for each target the texts that stand before it, each followed by an end token; none is allowed.
    """
    total, count = 0.0, 0
    for start in range(0, len(targets), batch):
        rows = [
            _with_context(lm, before, target)
            for before, target in zip(contexts[start : start + batch], targets[start : start + batch], strict=True)
        ]
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [lm.end_id] * (longest - len(ids)) for ids, _ in rows], device=lm.device)
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows], device=lm.device)
        wanted = ids.masked_fill(mask == 0, NOT_COUNTED)
        for row, (_, given) in enumerate(rows):
            wanted[row, :given] = NOT_COUNTED
        logits = lm.model(input_ids=ids, attention_mask=mask).logits.float()
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted[:, 1:].flatten(), reduction="sum")
        total, count = total + float(loss), count + int((wanted[:, 1:] != NOT_COUNTED).sum())
    return total / count


def _with_context(lm: LanguageModel, before: Sequence[str], target: str) -> tuple[list[int], int]:
    """Token ids of texts in a row, begin token first, and how many of them stand before the target.

    Where the model has no positions for all, the texts before lose their beginning.
    """
    context, own = [token for text in before for token in _ids(lm, text)], _ids(lm, target)
    positions = getattr(lm.model.config, "max_position_embeddings", None) or len(context) + len(own) + 1
    own = own[: positions - 1]
    context = context[max(0, len(context) + len(own) + 1 - positions) :]
    return [lm.begin_id, *context, *own], 1 + len(context)


def _ids(lm: LanguageModel, text: str) -> list[int]:
    return [*lm.tokenizer(text, add_special_tokens=False).input_ids, lm.end_id]
