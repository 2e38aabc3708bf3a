"""What encoder and language model can do with a test set's captions before any method is trained on them."""

from __future__ import annotations

import re

import numpy as np
import torch

from ..core.artifacts import write_json
from ..core.job import Job
from ..core.settings import section
from ..data.captions import Caption, read_captions
from ..data.features import features_of, read_image_features
from ..metrics.instruments import exchanged, nats_per_token, noticed
from ..models.encoder import Encoder
from ..models.language_model import LanguageModel
from ..models.of_job import language_model, text_encoder

WHAT_IS_THERE = ("noun", "colour")  # exchanged for what no caption of the image names; the other kinds say how it is


def run(job: Job) -> None:
    rows = read_captions(job.input("captions"))
    images = sorted({row.image_id for row in rows})[: job.settings["instruments.images"]]
    captions = {image: [row for row in rows if row.image_id == image] for image in images}
    report = {
        "dataset": job.settings["dataset"],
        "images": len(images),
        "noticed": _noticed(job, captions, text_encoder(job)),
        "nats": {} if (lm := language_model(job)).encoder_decoder else _nats(captions, lm),
    }
    write_json(job.outputs[0], report)


def _noticed(job: Job, captions: dict[int, list[Caption]], encoder: Encoder) -> dict[str, dict[str, float]]:
    """For each kind of word, in how many captions one can be exchanged, and the share in which that is noticed."""
    rows = [row for own in captions.values() for row in own]
    text = features_of(job.inputs["text_features"], "test", [row.caption_id for row in rows])
    stores = [read_image_features([path]) for path in job.inputs["images"]]
    images = dict(zip(torch.cat([s.ids for s in stores]).tolist(), torch.cat([s.global_ for s in stores]), strict=True))
    found = {}
    for kind, exclusive in section(job.settings, "instruments.exchanges").items():
        rng = np.random.default_rng(job.settings["seed"])
        others = []
        for own in captions.values():
            there = set(re.findall(r"[a-z]+", " ".join(row.caption for row in own).lower()))
            others += [exchanged(row.caption, exclusive, there if kind in WHAT_IS_THERE else set(), rng) for row in own]
        at = [i for i, other in enumerate(others) if other]
        if at:
            false = encoder.text_features([other for other in others if other])
            share = noticed(torch.stack([images[rows[i].image_id] for i in at]), text[at], false)
            found[kind] = {"captions": len(at), "share": share}
    return found


def _nats(captions: dict[int, list[Caption]], lm: LanguageModel) -> dict[str, list[float]]:
    """Nats a token of each image's first caption behind 0, 1, 2 ... of its others, and the same with itself as last."""
    targets = [own[0].caption for own in captions.values()]
    most = min(map(len, captions.values())) - 1
    others = [[[row.caption for row in own[1 : 1 + n]] for own in captions.values()] for n in range(most + 1)]
    return {
        "others": [nats_per_token(lm, before, targets) for before in others],
        "itself": [
            nats_per_token(lm, [[*b, target] for b, target in zip(before, targets, strict=True)], targets)
            for before in others
        ],
    }
