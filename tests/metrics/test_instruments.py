"""The measures of encoder and language model, against what a loop over everything finds."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch.nn import functional as F

from maccap.metrics.instruments import geometry, nats_per_token, noticed, recall_at_1
from tests.helpers.tiny import tiny_lm

GENERATOR = torch.Generator().manual_seed(3)


def features(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(shape, generator=GENERATOR), dim=-1)


def test_an_exchange_is_noticed_where_the_true_caption_is_nearer() -> None:
    images, captions, exchanged = features(40, 8), features(40, 8), features(40, 8)
    exchanged[:4] = captions[:4]
    points = 0.0
    for image, caption, other in zip(images, captions, exchanged, strict=True):
        true, false = float(image @ caption), float(image @ other)
        points += 0.5 if true == false else float(true > false)
    assert noticed(images, captions, exchanged) == pytest.approx(points / 40)


def test_recall_counts_images_whose_nearest_caption_is_their_own() -> None:
    images, captions = features(30, 4), features(60, 4)
    owners = torch.arange(30).repeat_interleave(2)
    hits = 0
    for i, image in enumerate(images):
        nearest = max(range(60), key=lambda j: float(image @ captions[j]))
        hits += int(owners[nearest]) == i
    assert recall_at_1(images, captions, owners) == pytest.approx(hits / 30)


def test_cosines_are_those_of_all_pairs() -> None:
    images, captions = features(6, 5), features(6, 3, 5)
    found = geometry(images, captions)
    everything = [(i, captions[i, j]) for i in range(6) for j in range(3)]
    same = [float(a @ b) for (i, a), (k, b) in combinations(everything, 2) if i == k]
    apart = [float(a @ b) for (i, a), (k, b) in combinations(everything, 2) if i != k]
    paired = [float(images[i] @ text) for i, text in everything]
    assert found.paired == pytest.approx(sum(paired) / len(paired), abs=1e-6)
    assert found.same_image == pytest.approx(sum(same) / len(same), abs=1e-6)
    assert found.unrelated == pytest.approx(sum(apart) / len(apart), abs=1e-6)
    gap = images.mean(0) - torch.stack([text for _, text in everything]).mean(0)
    assert found.mean_gap == pytest.approx(math.sqrt(float(gap @ gap)), abs=1e-6)


def test_nats_are_those_of_one_token_after_another() -> None:
    lm = tiny_lm()
    contexts = [[], ["A red ball on the sand."], ["Two stars.", "A pink fish."]]
    targets = ["A red ball on the sand.", "A blue star.", "Two pink fish on the grass."]
    total, count = 0.0, 0
    for before, target in zip(contexts, targets, strict=True):
        ids = [lm.begin_id]
        for text in before:
            ids += [*lm.tokenizer(text, add_special_tokens=False).input_ids, lm.end_id]
        for token in [*lm.tokenizer(target, add_special_tokens=False).input_ids, lm.end_id]:
            logits = lm.model(input_ids=torch.tensor([ids])).logits[0, -1]
            total -= float(logits.log_softmax(-1)[token])
            count, ids = count + 1, [*ids, token]
    assert nats_per_token(lm, contexts, targets, batch=2) == pytest.approx(total / count, rel=1e-5)
