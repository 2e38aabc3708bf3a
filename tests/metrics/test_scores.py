"""VQA accuracy, CLIPScore, faithfulness and instruments, against others' code, definitions and counts by hand."""

import copy
import gzip
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maccap.core.errors import DataError
from maccap.data.scenes import Contents
from maccap.metrics.bootstrap import of_totals
from maccap.metrics.caption_metrics.clipscore import clip_scores, ref_clip_scores
from maccap.metrics.instruments import exchanged, nats_per_token, noticed
from maccap.metrics.registry import CaptionSet, References, metric_named
from maccap.metrics.vqa import normalise_answer, vqa_accuracy
from tests.helpers import SHARED
from tests.helpers.tiny import tiny_lm

OFFICIAL = SHARED / "real" / "vqa_v2"


def question(question_id: int, humans: list[str], question_type: str = "what", answer_type: str = "other") -> dict:
    answers = [{"answer": text, "answer_confidence": "yes", "answer_id": n} for n, text in enumerate(humans, 1)]
    return {
        "question_id": question_id, "image_id": 1, "question_type": question_type, "answer_type": answer_type,
        "answers": answers,
    }  # fmt: skip


def accuracy(humans: list[str], answer: str) -> float:
    result = vqa_accuracy({"annotations": [question(1, humans)]}, [{"question_id": 1, "answer": answer}])
    return result["overall"]


@pytest.mark.parametrize(
    ("agreeing", "percent"), [(0, 0.0), (1, 30.0), (2, 60.0), (3, 90.0), (4, 100.0), (9, 100.0), (10, 100.0)]
)
def test_leave_one_out(agreeing: int, percent: float) -> None:
    assert accuracy(["cat"] * agreeing + [f"other {n}" for n in range(10 - agreeing)], "cat") == percent


def test_answers_are_normalised_only_when_humans_differ() -> None:
    assert accuracy(["two dogs"] * 10, "2 dogs") == 0
    assert accuracy(["two dogs"] * 9 + ["three"], "2 dogs") == 100
    assert accuracy(["Yes"] * 10, " Yes\n") == 100
    assert accuracy(["Yes"] * 10, "yes") == 0


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("The Red, white", "red white"), ("None", "0"), ("ten", "10"), ("a", ""), ("1,000", "1000"),
        ("1,000 red/blue", "1000 redblue"),  # a comma between digits drops every mark
        ("red/blue", "red blue"),
        ("red/ blue/green-grey", "red bluegreen grey"),  # a mark that is beside a space once is dropped everywhere
        ("3.5.", "3.5"), ("st. x", "st x"), (".5", ".5"),
        ("." * 40, "." * 8),  # the official code strips no more than 32
        ("dont", "don't"), ("DONT", "don't"),
        ("Im", "im"),  # an upper-case key of the official table that lower-case words never meet
        ("couldn'tve", "couldn't've"), ("somebody'd", "somebodyd"), ("shes", "shes"), ("let's go", "let's go"),
        ("  two   words ", "2 words"),
    ],
)  # fmt: skip
def test_normal_form(raw: str, normal: str) -> None:
    assert normalise_answer(raw) == normal


def test_groups_and_input_left_alone() -> None:
    annotations = {
        "annotations": [
            question(1, ["yes"] * 10, "is the", "yes/no"),
            question(2, ["no"] * 8 + ["Two."] * 2, "is the", "number"),
            question(3, ["yes"] * 10, "how many", "number"),
        ]
    }
    before = copy.deepcopy(annotations)
    answers = {3: "no", 1: "yes", 2: "2"}
    result = vqa_accuracy(annotations, [{"question_id": id_, "answer": text} for id_, text in answers.items()])
    assert result == {
        "overall": 53.3333, "per_answer_type": {"yes/no": 100.0, "number": 30.0},
        "per_question_type": {"is the": 80.0, "how many": 0.0}, "per_question": {1: 100.0, 2: 60.0, 3: 0.0},
    }  # fmt: skip
    assert annotations == before


ANNOTATIONS = {"annotations": [question(1, ["yes"] * 10), question(2, ["no"] * 10)]}
ONE, TWO = {"question_id": 1, "answer": "yes"}, {"question_id": 2, "answer": ""}


@pytest.mark.parametrize(
    ("annotations", "results", "words"),
    [
        (ANNOTATIONS, [ONE], "1 questions without an answer .first: 2"),
        (ANNOTATIONS, [ONE, TWO, {"question_id": 3, "answer": "x"}], "not in the annotations .first: 3"),
        (ANNOTATIONS, [{"question_id": "1", "answer": "yes"}, TWO], "without an answer .first: 1"),
        (ANNOTATIONS, [ONE, TWO, ONE], "results: question 1 occurs twice"),
        ({"annotations": ANNOTATIONS["annotations"] * 2}, [ONE, TWO], "annotations: question 1 occurs twice"),
        (ANNOTATIONS, [ONE, {"question_id": 2}], "entry 2 has no 'answer'"),
        ({"annotations": [question(1, [])]}, [ONE], "entry 1 has no 'answers'"),
        (
            {"annotations": [question(1, ["yes"] * 3)]},
            [ONE],
            "question 1 has 3 answers; the accuracy is defined for 10",
        ),
        ({"annotations": [question(1, [2] * 10)]}, [ONE], "an answer to question 1 is 2, not a text"),
        (ANNOTATIONS, [ONE, {"question_id": 2, "answer": 2}], "the answer to question 2 is 2, not a text"),
        ({"annotations": []}, [], "there are none"),
        ({}, [], "there are none"),
        ({"annotations": [question(1, []) | {"answers": ["yes"] * 10}]}, [ONE], "not VQA v2's official objects"),
        ([], {}, "not VQA v2's official objects"),
    ],
)
def test_bad_answers_are_named(annotations: dict, results: list[dict], words: str) -> None:
    with pytest.raises(DataError, match=words):
        vqa_accuracy(annotations, results)


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="needs the folder `shared` of reference data beside the checkout")
def test_equals_the_official_evaluation() -> None:
    annotations, results, expected = (read(f"{name}.json.gz") for name in ("annotations", "results", "expected"))
    ours = vqa_accuracy(annotations, results)
    assert ours["overall"] == expected["accuracy"]["overall"]
    assert ours["per_answer_type"] == expected["accuracy"]["perAnswerType"]
    assert ours["per_question_type"] == expected["accuracy"]["perQuestionType"]
    assert {str(id_): value for id_, value in ours["per_question"].items()} == expected["per_question"]


def read(name: str) -> Any:
    return json.loads(gzip.decompress((OFFICIAL / name).read_bytes()))


RNG = np.random.default_rng(0)
IMAGES, REFERENCES = RNG.uniform(-1, 1, size=(2, 40))


def test_clipscore_by_brute_force_and_known_values_and_a_cosine_that_is_missing_is_named() -> None:
    clip, with_references = clip_scores(IMAGES), ref_clip_scores(IMAGES, REFERENCES)
    for row in range(40):
        by_image, by_text = 2.5 * max(IMAGES[row], 0), max(REFERENCES[row], 0)
        mean = 2 / (1 / by_image + 1 / by_text) if by_image and by_text else 0
        assert clip[row] == pytest.approx(by_image)
        assert with_references[row] == pytest.approx(mean)
    assert clip.min() == with_references.min() == 0 < with_references.max()
    assert clip_scores([1, 0, -1]).tolist() == [2.5, 0, 0]
    assert ref_clip_scores([1, 1, -1], [1, 0, 1]).tolist() == pytest.approx([10 / 7, 0, 0])
    with pytest.raises(DataError, match="cosine of caption 1 to its image is missing or not finite"):
        clip_scores([0.5, math.nan])
    with pytest.raises(DataError, match="cosine of caption 0 to its nearest reference is missing"):
        ref_clip_scores([0.5], [math.nan])


CONTENTS = Contents(
    {"box": "box", "boxes": "box", "fish": "fish", "star": "star", "stars": "star"},
    frozenset({"red", "blue", "orange"}),
    {1: frozenset({("box", "red"), ("fish", "blue")}), 2: frozenset({("star", "orange")}), 3: frozenset()},
)
CAPTIONS = {
    1: ("two red boxes beside a red fish", [2, 2, 2, 1, 1]),
    2: ("an orange star and a box in the middle of two blue stars", [3, 2, 2, 1, 1]),
    3: ("nothing on the sand", [0, 0, 0, 0, 1]),
}


def test_nouns_and_colours_are_shares_of_what_is_said_of_drawn_images() -> None:
    texts = [text for text, _ in CAPTIONS.values()]
    metric = metric_named("Nouns")
    [found] = metric.score([CaptionSet(References([["a"]] * 3), texts, contents=CONTENTS, images=list(CAPTIONS))])
    assert found.statistics == [row for _, row in CAPTIONS.values()]
    assert found.scores["Nouns"] == (pytest.approx(100 * 4 / 5), pytest.approx([100, 100 * 2 / 3, 0]))
    assert found.scores["Colours"] == (pytest.approx(100 * 2 / 4), pytest.approx([50, 50, 0]))
    assert found.scores["Nouns said"] == (pytest.approx(5 / 3), pytest.approx([2, 3, 0]))
    for name in metric.names:
        assert of_totals(name, np.sum(found.statistics, axis=0)) == pytest.approx(found.scores[name][0])
    assert metric_named("Colours").score([CaptionSet(References([["a box"]]), ["a box"])])[0].scores == {}


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
