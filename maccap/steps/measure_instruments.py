"""What encoder and language model can do with a test set's captions before any method is trained on them."""

import re

import numpy as np
import torch

from ..core.artifacts import write_json
from ..core.job import Job
from ..core.settings import section
from ..data.captions import Caption, read_captions, references
from ..data.features import features_of, read_global_features
from ..metrics.instruments import exchanged, nats_per_token, noticed
from ..models.language_model import LanguageModel
from ..models.of_job import language_model, text_encoder

WHAT_IS_THERE = ("noun", "colour")  # exchanged for what no caption of the image names; the other kinds say how it is
MOST = 5  # other captions in a row


def run(job: Job) -> None:
    every = read_captions(job.input("captions"))
    taken = set(sorted({row.image_id for row in every})[: job.settings["instruments.images"]])
    at = [i for i, row in enumerate(every) if row.image_id in taken]
    rows = [every[i] for i in at]
    text = features_of(job.inputs["text_features"], "test", [row.caption_id for row in every])[at]
    lm = language_model(job)
    report = {
        "dataset": job.settings["dataset"],
        "images": len(taken),
        "noticed": _noticed(job, rows, text),
        "nats": {} if lm.encoder_decoder else _nats(rows, lm),
    }
    write_json(job.outputs[0], report)


def _noticed(job: Job, rows: list[Caption], text: torch.Tensor) -> dict[str, dict[str, float]]:
    """For each kind of word, in how many captions one can be exchanged, and the share in which that is noticed.

    Args:
        text: features of the captions, [N, d].
    """
    encoder = text_encoder(job)
    images = read_global_features(job.inputs["images"])
    words = {image: set(re.findall(r"[a-z]+", " ".join(own).lower())) for image, own in references(rows).items()}
    found = {}
    for kind, exclusive in section(job.settings, "instruments.exchanges").items():
        rng = np.random.default_rng(job.settings["seed"])
        named = kind in WHAT_IS_THERE
        others = [exchanged(row.caption, exclusive, words[row.image_id] if named else set(), rng) for row in rows]
        at = [i for i, other in enumerate(others) if other]
        if at:
            false = encoder.text_features([text for text in others if text], job.settings["encoder.batch_size"])
            share = noticed(torch.stack([images[rows[i].image_id] for i in at]), text[at], false)
            found[kind] = {"captions": len(at), "share": share}
    return found


def _nats(rows: list[Caption], lm: LanguageModel) -> dict[str, list[float]]:
    """Nats a token of images' first captions behind 0, 1, 2 ... others, and the same with itself as last.

    Behind n others are the images that have n other captions.
    """
    captions = [list(dict.fromkeys(own)) for own in references(rows).values()]
    found: dict[str, list[float]] = {"others": [], "itself": []}
    for n in range(min(MOST, max(map(len, captions)) - 1) + 1):
        told = [own for own in captions if len(own) > n]
        targets, others = [own[0] for own in told], [own[1 : 1 + n] for own in told]
        with_itself = [[*before, target] for before, target in zip(others, targets, strict=True)]
        found["others"].append(nats_per_token(lm, others, targets))
        found["itself"].append(nats_per_token(lm, with_itself, targets))
    return found
