"""The measures of encoder and language model, against what a loop over everything finds."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maccap.metrics.instruments import exchanged, nats_per_token, noticed
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


COLOURS = ["red", "orange", "blue"]


@pytest.mark.parametrize(
    ("caption", "group", "there", "possible"),
    [
        ("A red ball.", COLOURS, set(), {"An orange ball.", "A blue ball."}),
        ("A red ball.", COLOURS, {"blue"}, {"An orange ball."}),
        ("An orange box, two boxes", ["box", "ball"], set(), {"An orange ball, two boxes", "An orange box, two balls"}),
        ("An orange box.", ["box", "ball"], {"balls"}, set()),
        ("Red kites.", COLOURS, {"red"}, {"Orange kites.", "Blue kites."}),
        ("Left of it, left-handed", ["left", "right"], set(), {"Right of it, left-handed", "Left of it, right-handed"}),
        ("A boxer sees redness.", ["box", "red"], set(), set()),
    ],
)  # fmt: skip
def test_one_word_is_exchanged_for_one_that_is_not_there(caption, group, there, possible):
    found = {exchanged(caption, [group], there, np.random.default_rng(seed)) for seed in range(40)}
    assert found == (possible or {None})


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


def test_texts_that_are_too_long_for_the_model_lose_their_beginning() -> None:
    lm = tiny_lm()
    positions, target = lm.model.config.max_position_embeddings, "A red ball on the sand."
    before = [f"Two {word} stars and a fish." for word in ("red", "blue", "pink") * positions]
    own = [*lm.tokenizer(target, add_special_tokens=False).input_ids, lm.end_id]
    told = [i for text in before for i in [*lm.tokenizer(text, add_special_tokens=False).input_ids, lm.end_id]]
    ids = [lm.begin_id, *told, *own]
    ids = [lm.begin_id, *ids[len(ids) - positions + 1 :]]
    scores = lm.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = -sum(float(scores[i - 1, ids[i]]) for i in range(positions - len(own), positions)) / len(own)
    assert nats_per_token(lm, [before], [target]) == pytest.approx(expected, rel=1e-5)
