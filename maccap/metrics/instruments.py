"""What a frozen encoder and language model can do before any method is trained on them.

An encoder that does not see what captions say, or a language model that what stands before cannot steer, sets a bound
that no method between them passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def recall_at_1(images: torch.Tensor, captions: torch.Tensor, owners: torch.Tensor) -> float:
    """The share of images [N, d] whose nearest caption among all [M, d] is one of their own.

    Args:
        owners: int [M], the image's row of each caption.
    """
    return float((owners[(images @ captions.T).argmax(dim=1)] == torch.arange(len(images))).float().mean())


@dataclass(frozen=True)
class Geometry:
    """Mean cosines, and the norm of the difference of the means of image and text features."""

    paired: float  # an image and its caption
    same_image: float  # two captions of one image
    unrelated: float  # two captions of different images
    mean_gap: float


def geometry(images: torch.Tensor, captions: torch.Tensor) -> Geometry:
    """How features lie to each other.

    Args:
        images: L2-normalised [N, d], N at least 2.
        captions: L2-normalised [N, c, d], c captions of each image, at least 2.
    """
    n, c, _ = captions.shape
    flat = captions.flatten(0, 1)
    whole = flat.sum(0).square().sum()
    of_image = captions.sum(1).square().sum()
    itself = flat.square().sum()
    return Geometry(
        paired=float(torch.einsum("nd,ncd->nc", images, captions).mean()),
        same_image=float((of_image - itself) / (n * c * (c - 1))),
        unrelated=float((whole - of_image) / (n * c * (n - 1) * c)),
        mean_gap=float((images.mean(0) - flat.mean(0)).norm()),
    )


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
    """Token ids of texts in a row, begin token first, and how many of them stand before the target."""
    ids = [lm.begin_id]
    for text in before:
        ids += [*lm.tokenizer(text, add_special_tokens=False).input_ids, lm.end_id]
    return [*ids, *lm.tokenizer(target, add_special_tokens=False).input_ids, lm.end_id], len(ids)
