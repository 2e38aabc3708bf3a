"""Captions and answers from image features: cleaning, batching, reranking, cosines, the two VQA forms."""

import math

import pytest
import torch
from torch.nn import functional as F

from maccap.core.errors import DataError, EncoderError
from maccap.core.settings import AnsweringSettings
from maccap.data.captions import Caption
from maccap.data.features import ImageFeatures
from maccap.data.vqa import VqaQuestion
from maccap.inference.answering import answer_questions, clean_answer
from maccap.inference.captioning import Captioner, clean_caption, load_adaptor
from maccap.inference.of_job import EncodedTestSet
from maccap.methods.registry import load_method
from maccap.models.encoder import EncodedOnce
from tests.helpers.tiny import GENERATION, SELECTION, TRAINING, tiny_lm

ANSWERING = AnsweringSettings(batch_size=4, beams=2, max_new_tokens=3)


class FakeEncoder:
    """Text features that depend on the text alone; keeps what it was asked."""

    def __init__(self, dim: int) -> None:
        self.dim, self.asked = dim, []

    def text_features(self, texts: list[str]) -> torch.Tensor:
        self.asked.append(texts)
        seeds = [sum(ord(c) * (i + 1) for i, c in enumerate(text)) for text in texts]
        rows = [torch.randn(self.dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return F.normalize(torch.stack(rows), dim=-1)


def image_features(count: int = 7, tokens: int = 10, dim: int = 16) -> ImageFeatures:
    generator = torch.Generator().manual_seed(1)
    return ImageFeatures(
        torch.arange(count) + 100,
        F.normalize(torch.randn(count, dim, generator=generator), dim=-1),
        F.normalize(torch.randn(count, tokens, dim, generator=generator), dim=-1),
        torch.rand(count, tokens, tokens, generator=generator).softmax(-1),
    )


def captioner(name: str = "maccap", draws: int = SELECTION.draws, **generation) -> Captioner:
    lm = tiny_lm()
    method = load_method(name, TRAINING)
    torch.manual_seed(2)
    adaptor = method.adaptor(16, lm.dim).eval()
    return Captioner(FakeEncoder(16), lm, method, adaptor, GENERATION.model_copy(update=generation), draws, seed=9)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("A man's t-shirt.", "A mans tshirt."), ("Question: x? Answer: two  dogs...", "two dogs."),
        ("<PAD>A cat<PAD>", "A cat"), ("A bus in 2014, at night", "A bus in , at night"), ("naïve café!", "nave caf"),
        ("Zwölf Boxkämpfer & 3 dogs", "Zwlf Boxkmpfer 3 dogs"), ("", ""),
    ],
)  # fmt: skip
def test_cleaning_follows_the_released_order(text, cleaned):
    assert clean_caption(text) == cleaned


def test_the_caption_is_the_candidate_nearest_to_the_image():
    run, images = captioner(), image_features()
    for row, image in zip(run.caption(images, SELECTION), images.global_):
        assert len(row["candidates"]) == len(row["scores"]) == 3
        expected = FakeEncoder(16).text_features(row["candidates"]) @ image
        assert row["scores"] == pytest.approx(expected.tolist(), abs=1e-5)
        assert row["caption"] == row["candidates"][int(expected.argmax())]


def test_one_text_encoder_call_and_only_of_the_first_characters():
    run = captioner()
    run.caption(image_features(), SELECTION.model_copy(update={"rerank_characters": 5}))
    assert len(run.encoder.asked) == 1
    assert max(len(text) for texts in run.encoder.asked for text in texts) <= 5
    assert all(len(texts) == len(set(texts)) for texts in run.encoder.asked)


def test_a_text_is_encoded_once_and_has_its_own_features_wherever_it_stands():
    encoder = FakeEncoder(16)
    encoded = EncodedOnce(encoder)
    for texts in (["a dog", "a cat", "a dog"], ["a cat", "a bus", "a dog"], ["a bus"]):
        assert torch.equal(encoded.features(texts), FakeEncoder(16).text_features(texts))
    assert encoder.asked == [["a dog", "a cat"], ["a bus"]]


def test_weights_of_another_size_and_a_prefix_of_another_width_are_refused(tmp_path):
    from safetensors.torch import save_file

    method = load_method("maccap", TRAINING)
    save_file(method.adaptor(16, 32).state_dict(), tmp_path / "adaptor.safetensors")
    with pytest.raises(EncoderError, match=r"adaptor\.safetensors.*dimension 24.*use the encoder"):
        load_adaptor(method, tmp_path / "adaptor.safetensors", 24, 32)
    with pytest.raises(EncoderError, match="dimension 48, the language model 32"):
        tiny_lm().generate(torch.randn(1, 4, 48), [""], beams=1, max_new_tokens=2)


@pytest.mark.parametrize("name", ["maccap", "capdec"])
def test_features_of_another_dimension_are_refused(name):
    adaptor = load_method(name, TRAINING).adaptor(16, 32)
    with pytest.raises(EncoderError, match="dimension 16, these have 24"):
        adaptor(torch.randn(2, 4, 24) if name == "maccap" else torch.randn(2, 24))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [("red. Question: Where", "red"), (" two boats.\nmore", "two boats"), ("yes", "yes"), ("Question: x", "")],
)
def test_answers_end_at_the_next_question_or_line(text, cleaned):
    assert clean_answer(text) == cleaned


def questions() -> list[VqaQuestion]:
    texts = ["What color is the boat?", "Is there a tree?", "How many fish are there?", "Where is a house?", "Why?"]
    return [VqaQuestion(10 + i, 100 + i % 3, text) for i, text in enumerate(texts)]


def test_answers_come_in_official_form_in_order_of_the_ids():
    run, images = captioner(draws=1, noise_variance=0.0), image_features()
    captions = {int(i): "A red boat." for i in images.ids}
    for context in (captions, (run, images)):
        results = answer_questions(run.lm, questions(), ANSWERING, context)
        assert [row["question_id"] for row in results] == [10, 11, 12, 13, 14]
        assert all(set(row) == {"question_id", "answer"} for row in results)


def test_each_form_gives_the_language_model_what_it_names(monkeypatch):
    run, images = captioner(draws=1, noise_variance=0.0), image_features()
    seen = []

    def generate(_, prefix, prompts, **settings):
        seen.append((prefix, prompts))
        return [""] * len(prompts)

    monkeypatch.setattr(type(run.lm), "generate", generate)
    answer_questions(run.lm, questions(), ANSWERING, {int(i): f"Caption of {i}." for i in images.ids})
    answer_questions(run.lm, questions(), ANSWERING, (run, images))
    with_caption = [text for prefix, texts in seen[:2] for text in texts]
    assert "Caption of 100. Question: What color is the boat? Short answer:" in with_caption
    assert all(prefix is None for prefix, _ in seen[:2])
    soft = torch.cat([prefix for prefix, _ in seen[2:]])
    by_image = run.soft_tokens(images)[:, 0]
    order = sorted(questions(), key=lambda row: (len(row.question), row.question_id))
    for row, prefix in zip(order, soft):
        assert torch.allclose(prefix, by_image[row.image_id - 100], atol=1e-5)


def test_a_question_about_an_unknown_image_is_refused():
    with pytest.raises(DataError, match="question 10 asks about image 100"):
        answer_questions(tiny_lm(), questions(), ANSWERING, {})


IMAGES = {7: torch.tensor([1.0, 0, 0]), 8: torch.tensor([0, 2.0, 0]), 9: torch.tensor([0, 0, 1.0])}
CAPTIONS = [Caption(image_id, "", "test", n, text) for n, (image_id, text) in enumerate([(8, "b"), (7, "a"), (8, "c")])]
FEATURES = torch.tensor([[0.0, 3, 4], [1, 1, 0], [0, 1, 0]])


def test_cosines_are_to_the_image_and_to_the_nearest_reference_that_is_not_the_caption_itself():
    rows = [{"image_id": 8}, {"image_id": 7}, {"image_id": 8, "left_out_reference": 1}, {"image_id": 9}]
    captions = torch.tensor([[0, 1.0, 0], [0, 1, 0], [0, 5, 0], [0, 0, -1]])
    found = EncodedTestSet(IMAGES, CAPTIONS, FEATURES).with_cosines(rows, captions)
    assert [row["image_cosine"] for row in found] == [1, 0, 1, -1]
    assert [row.get("reference_cosine") for row in found] == [1, round(math.sqrt(0.5), 7), 0.6, None]
    assert [row["image_id"] for row in found] == [8, 7, 8, 9]
    [row] = EncodedTestSet(IMAGES, [], torch.empty(0)).with_cosines([{"image_id": 8}], torch.tensor([[3.0, 4, 0]]))
    assert row == {"image_id": 8, "image_cosine": 0.8}
