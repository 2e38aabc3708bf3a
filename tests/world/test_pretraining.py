"""The parts of the recipe against what a loop over everything finds."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from maccap.core.project import read_config
from maccap.training.loss import reconstruction_loss
from maccap.world import pretraining
from maccap.world.scenes import COLOURS, NOUNS, scenes, tell, word
from tests.helpers import ROOT
from tests.helpers.tiny import CLIP, LM, tiny_lm


def features(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))), dim=-1)


def test_the_loss_is_clips_with_the_exchanged_captions_as_further_texts() -> None:
    images, texts, scale = features(5, 8), features(5, 3, 8), 7.0
    spoken = torch.tensor([[True, True, n % 2 == 0] for n in range(5)])

    def surprise(image: torch.Tensor, own: torch.Tensor, among: list[torch.Tensor]) -> float:
        return -scale * float(image @ own) + math.log(sum(math.exp(scale * float(image @ text)) for text in among))

    everything = [texts[i, j] for i in range(5) for j in range(3) if spoken[i, j]]
    total = 0.0
    for i in range(5):
        total += surprise(images[i], texts[i, 0], everything)
        total += surprise(texts[i, 0], images[i], list(images))
        total += surprise(images[i], texts[i, 0], [texts[i, j] for j in range(3) if spoken[i, j]])
    found = pretraining.contrast(images, texts, spoken, torch.tensor(scale))
    assert float(found) == pytest.approx(total / 15, rel=1e-5)


def test_texts_that_are_missing_leave_every_gradient_finite() -> None:
    images, texts = features(4, 8).requires_grad_(), features(4, 3, 8).requires_grad_()
    scale = torch.tensor(5.0, requires_grad=True)
    pretraining.contrast(images, texts, torch.tensor([[True, True, False]] * 4), scale).backward()
    assert all(part.grad is not None and part.grad.isfinite().all() for part in (images, texts, scale))


def test_labels_say_what_stands_in_each_place() -> None:
    for scene, _ in scenes("daylight", "pretrain", 20, 3):
        labels = pretraining.labels_of(scene)
        for place in range(6):
            there = [g for g in scene.groups if (g.row, g.column) == divmod(place, 3)]
            if not there:
                assert (labels[place] == -100).all()
                continue
            noun, colour, count, size = labels[place]
            group = there[0]
            assert (NOUNS[noun], COLOURS[colour], count + 1) == (group.noun, group.colour, group.count)
            assert ("small", "large")[size] == group.size


def test_each_place_is_named_by_the_mean_of_the_patches_inside_it() -> None:
    grid = 8
    naming = pretraining.Naming(16, grid, 8)
    patches = torch.randn(1, grid * grid, 16, generator=torch.Generator().manual_seed(0))
    of_place = naming.mean @ patches
    for place in range(6):
        row, column = divmod(place, 3)
        inside = [
            patches[0, y * grid + x]
            for y in range(grid)
            for x in range(grid)
            if int((y + 0.5) / grid * 2) == row and int((x + 0.5) / grid * 3) == column
        ]
        torch.testing.assert_close(of_place[0, place], torch.stack(inside).mean(0))


def test_whitened_patches_have_variance_1_and_are_uncorrelated() -> None:
    import open_clip

    vision = {"image_size": 24, "patch_size": 4, "width": 32, "layers": 1, "head_width": 32}
    text = {"context_length": 8, "vocab_size": 16, "width": 32, "heads": 1, "layers": 1}
    visual = open_clip.CLIP(16, vision, text).visual
    images = torch.rand(400, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    pretraining.whiten_patches(visual, images)
    with torch.no_grad():
        read = visual.conv1(images).flatten(2).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(torch.cov(read.T), torch.eye(32), atol=0.03, rtol=0)


def test_the_end_token_of_clips_vocabulary_has_the_highest_id() -> None:
    tokenizer = pretraining.clip_tokenizer(pretraining.sample_texts(1, 50), 600)
    ids = tokenizer("Two red Stars.").input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id == len(tokenizer) - 1
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == "two red stars."


def test_captions_come_with_exchanged_ones_and_a_missing_one_is_marked() -> None:
    found = [scene for scene, _ in scenes("daylight", "pretrain", 30, 5)]
    texts, spoken = pretraining.captions_and_exchanged(found, np.random.default_rng(2))
    assert len(texts) == spoken.numel() == 30 * 5
    swapped = 0
    for n in range(30):
        own, noun, colour, *further = (said.lower().rstrip(".").replace(",", "").split() for said in texts[5 * n :][:5])
        assert spoken[n].tolist() == [True, *(other != own for other in (noun, colour, *further))]
        for other, among_colours in ((noun, False), (colour, True)):
            [(old, new)] = [(a, b) for a, b in zip(own, other, strict=True) if a != b and {a, b} != {"a", "an"}]
            assert (old in COLOURS, new in COLOURS) == (among_colours, among_colours)
        assert further[0] != further[1] or further[0] == own
        swapped += sum(other != own and sorted(other) == sorted(own) for other in further)
    assert 2 < swapped < 30


def test_labels_of_a_caption_are_those_of_the_groups_that_it_names() -> None:
    found = [scene for scene, _ in scenes("chalk", "pretrain", 30, 6)]
    rng = np.random.default_rng(4)
    told = [tell(scene, rng) for scene in found]
    captions = [word(about, scene, rng) for about, scene in zip(told, found, strict=True)]
    for scene, about, labels in zip(found, told, pretraining.labels_told(found, captions), strict=True):
        whole = pretraining.labels_of(scene)
        for place in range(6):
            named = any((g.row, g.column) == divmod(place, 3) for g in about.groups)
            assert labels[place].tolist() == (whole[place].tolist() if named else [-100] * 4)


def test_naming_what_is_held_is_the_mean_over_all_that_is_there() -> None:
    logits = torch.randn(3, 7, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([[0, -100, 3], [-100, -100, -1], [6, 6, 1]])
    shares = logits.softmax(-1)
    losses = [-math.log(float(shares[row, n])) for row in range(3) for n in labels[row].tolist() if n >= 0]
    assert float(pretraining.held(logits, labels)) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_a_feature_names_the_ground_and_all_that_is_there_alone_and_with_its_colour_count_and_size() -> None:
    naming = pretraining.Naming(16, 8, 4)
    given = features(4, 4)
    labels, grounds = torch.full((4, 6, 4), -100), torch.tensor([2, -100, 7, -100])
    told = {
        (0, 3): [4, 1, 2, 0], (0, 5): [19, 7, 0, 1], (1, 0): [0, 0, 0, 0], (2, 1): [8, 3, 1, 1], (2, 2): [7, 3, 1, 0],
    }  # fmt: skip
    for (row, place), words in told.items():
        labels[row, place] = torch.tensor(words)
    logits, ground = naming.of_feature(10 * given).detach(), naming.of_ground(10 * given).detach().softmax(-1)
    colours, nouns = len(COLOURS), len(NOUNS)
    starts = (0, nouns, nouns * (1 + colours), nouns * (4 + colours), nouns * (6 + colours))
    expected = -(math.log(float(ground[0, 2])) + math.log(float(ground[2, 7]))) / 4
    for kind, (begin, end) in enumerate(pairwise(starts)):
        shares = logits[:, begin:end].softmax(-1)
        count = (1, colours, 3, 2)[kind]
        numbers = [(row, words[0] * count + (words[kind] if kind else 0)) for (row, _), words in told.items()]
        expected -= (1, 3, 1, 1)[kind] * sum(math.log(float(shares[row, n])) for row, n in numbers) / 5
    assert float(naming.of_all(given, labels, grounds).detach()) == pytest.approx(expected, rel=1e-5)


def test_a_ground_is_named_where_the_caption_tells_it() -> None:
    found = [scene for domain in ("daylight", "chalk") for scene, _ in scenes(domain, "pretrain", 40, 8)]
    rng = np.random.default_rng(5)
    captions = [word(tell(scene, rng), scene, rng) for scene in found]
    whole, told = pretraining.grounds_of(found).tolist(), pretraining.grounds_of(found, captions).tolist()
    kept = {(scene.domain, scene.ground): n for scene, n in zip(found, whole, strict=True)}
    assert len(kept) == len(set(kept.values())) == len(set(whole)) == 10
    for scene, caption, of_scene, of_caption in zip(found, captions, whole, told, strict=True):
        says = {"slate": "slate", "night": "night sky", "brick": "brick"}.get(scene.ground, scene.ground)
        assert of_caption == (of_scene if says in caption else -100)


def test_a_document_is_its_first_text_and_the_others_and_batches_leave_none_out() -> None:
    tokenizer = pretraining.opt_tokenizer(pretraining.sample_texts(1, 200), 600)
    batches = pretraining.batches_of_rows(7, tokenizer, 3)
    found = [row for _ in range(16) for row in next(batches)]
    stream = pretraining.documents(7)
    expected = [next(stream) for _ in range(16 * 3)]
    assert sorted(first + others for first, others in found) == sorted(
        tokenizer("</s>".join(texts) + "</s>").input_ids for texts in expected
    )
    assert sorted(tokenizer.decode(first, skip_special_tokens=True) for first, _ in found) == sorted(
        first for first, *_ in expected
    )


def test_a_shortened_text_says_nothing_but_its_own_and_little_noise() -> None:
    known = torch.eye(12, 40).expand(2, -1, -1).clone()  # the i-th token is the i-th unit vector
    heard = torch.zeros(12)
    for seed in range(8):
        torch.manual_seed(seed)
        for count in (1, 3, 16):
            soft = pretraining.shortened(known, [5, 12], count, np.random.default_rng(seed))
            assert soft.shape == (2, count, 40)
            assert float(soft.std()) == pytest.approx(1)
            for row, length in zip(soft, (5, 12), strict=True):
                assert float(row[:, length:].abs().max()) < 5 * 0.3
                assert float(row[:, :length].min()) > -5 * 0.3  # a mixture has no negative part
            if count == 1:
                own, strange = soft[0, 0, :5], soft[0, 0, 5:]
                assert float(own.min()) > float(strange.max())
                assert float(own.std()) < 1.5  # every token counts about as much
            else:
                heard += soft[1, :, :12].amax(0) > 5 * 0.3
    assert float(heard.min()) > 8, "no token of a text is left out for good"


@torch.inference_mode()
def test_the_loss_behind_soft_tokens_is_that_of_training() -> None:
    lm = tiny_lm()
    soft, ids = torch.randn(3, 5, lm.dim, generator=torch.Generator().manual_seed(0)), torch.full((3, 7), 1)
    for row, length in enumerate((7, 4, 2)):
        ids[row, :length] = torch.arange(length) + 40 + row
    embedded = lm.model.get_input_embeddings()(ids)
    found = pretraining.loss_behind(lm.model, soft, embedded, ids)
    assert float(found) == pytest.approx(float(reconstruction_loss(lm.model, soft, ids, 1, False)), rel=1e-6)
    alone = lm.model(input_ids=ids[:1], labels=ids[:1]).loss
    found = pretraining.loss_behind(lm.model, soft[:1, :0], embedded[:1], ids[:1])
    assert float(found) == pytest.approx(float(alone), rel=1e-6)


@pytest.mark.parametrize(
    ("pretrain", "settings", "weights"),
    [
        (pretraining.pretrain_clip, CLIP, "open_clip_model.safetensors"),
        (pretraining.pretrain_lm, LM, "model.safetensors"),
    ],
)
def test_a_model_pretrained_again_in_the_same_folder_has_the_same_bytes(pretrain, settings, weights, tmp_path):
    made = []
    for _ in range(2):
        pretrain(tmp_path, settings, 7)
        made.append((tmp_path / weights).read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(("model", "shipped"), [("clip", "clip-scenes"), ("lm", "opt-scenes")])
def test_the_shipped_tokenizers_are_what_the_recipe_makes(model, shipped, tmp_path):
    config = read_config("world")
    size, seed = config["pretraining"][model]["vocab_size"], config["seed"]
    domains = pretraining.ENCODED if model == "clip" else pretraining.READ
    make = pretraining.clip_tokenizer if model == "clip" else pretraining.opt_tokenizer
    make(pretraining.sample_texts(seed, 4000, domains), size).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (ROOT / "maccap/world/weights" / shipped / name).read_bytes()
