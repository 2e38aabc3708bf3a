"""The compared methods, each against what its paper says, recomputed plainly."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import functional as F

import maccap.methods
from maccap.core.errors import ConfigError
from maccap.core.settings import TrainingSettings
from maccap.data.captions import Caption
from maccap.data.features import ImageFeatures
from maccap.data.pair_statistics import PairStatistics
from maccap.data.text_corpus import TextBatch, TextSet, memory
from maccap.inference.captioning import Captioner
from maccap.methods.base import CaptioningMethod, PrefixMLP, Resources, TrainedMethod
from maccap.methods.registry import check_options, load_method, names, needs
from maccap.models.encoder import EncodedOnce
from maccap.models.language_model import LanguageModel
from maccap.models.memory_projection import project
from tests.helpers import ROOT
from tests.helpers.files import refuses
from tests.helpers.tiny import GENERATION, SELECTION, TRAINING, tiny_lm
from tests.inference.test_captioning import FakeEncoder, image_features
from tests.models.test_families import build, word_tokenizer

DIM = 16
WORDS = ("ball", "boat", "box", "fish", "star", "tree")
TEXTS = [f"A red {a} and two blue {b}s." for a in WORDS for b in WORDS if a != b]
NAMES = names()
OPTIONS = {"viecap": {"vocabulary": "words.txt"}, "magic": {"candidates": 4}, "close": {"adapter": "covariance"}}


class Features:
    def __init__(self, rows: torch.Tensor) -> None:
        self.rows, self.dim, self.ids = rows, rows.shape[1], 1000 + torch.arange(len(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        return self.rows[rows]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def text_set(count: int = len(TEXTS), seed: int = 3) -> TextSet:
    captions = [Caption(i, "", "train", 1000 + i, text) for i, text in enumerate(TEXTS[:count])]
    return TextSet(Features(normal(count, DIM, seed=seed)), captions, "digest")


def resources() -> Resources:
    return Resources(text_set(), PairStatistics.of(normal(40, DIM, seed=1), normal(40, DIM, seed=2)), WORDS)


def method(name: str, training: TrainingSettings = TRAINING, **options: object) -> CaptioningMethod:
    return load_method(name, training, OPTIONS.get(name, {}) | options, resources())


def captioner(name: str, **generation: object) -> Captioner:
    lm, own = tiny_lm(), method(name)
    torch.manual_seed(2)
    adaptor = own.adaptor(DIM, lm.dim).eval() if isinstance(own, TrainedMethod) else None
    encoder = FakeEncoder(DIM)
    encoder.logit_scale = 100.0
    return Captioner(encoder, lm, own, adaptor, GENERATION.model_copy(update=generation), SELECTION.draws, 9)


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(6)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_captions_every_image_alike_twice_and_whatever_the_batch(name: str) -> None:
    images = image_features()
    captions = captioner(name).caption(images, SELECTION)
    assert [row["image_id"] for row in captions] == images.ids.tolist()
    assert all(row["caption"] in row["candidates"] for row in captions)
    assert captioner(name).caption(images, SELECTION) == captions
    assert captioner(name, batch_size=7).caption(images, SELECTION) == captions


def test_magic_takes_all_tokens_where_more_candidates_are_asked_for() -> None:
    images, found = image_features(2), []
    for candidates in (10**6, tiny_lm().model.config.vocab_size):
        own = captioner("magic", max_new_tokens=2)
        own.method.options = replace(own.method.options, candidates=candidates)
        found.append(own.candidates(images))
    assert found[0] == found[1]


def test_ifcap_needs_more_captions_than_neighbours() -> None:
    own = method("ifcap")
    count = len(own.resources.memory)
    batch = own.resources.memory.batch(torch.arange(2))
    assert method("ifcap", neighbours=count - 1).training_input(batch, noise()).shape[1] == count
    with pytest.raises(ConfigError, match=f"{count} neighbours among {count} training captions; lower"):
        method("ifcap", neighbours=count).training_input(batch, noise())


@pytest.mark.parametrize("name", ["maccap", "magic"])
def test_a_prompt_that_is_too_long_for_the_language_model_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"the language model takes at most 64: lower or shorten queries, prompt or"):
        captioner(name, prompt="a red boat " * 40).candidates(image_features(1))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_trained_exactly_if_it_needs_an_adaptor(name: str) -> None:
    assert isinstance(method(name), TrainedMethod) == ("adaptor" in needs(name))
    assert method(name).name == name


@pytest.mark.parametrize("name", [name for name in NAMES if "adaptor" in needs(name)])
def test_training_and_images_give_the_adaptor_the_same_shape_and_gradients(name: str) -> None:
    own = method(name)
    batch = own.resources.memory.batch(torch.arange(5))
    adaptor = own.adaptor(DIM, 32)
    trained = own.training_input(batch, noise())
    seen = own.image_input(image_features(5), GENERATION, SELECTION.draws, seed=1)
    assert trained.shape[1:] == seen.shape[2:] or name == "maccap"  # as many copies as subregions only by its settings
    adaptor(trained).square().sum().backward()
    assert adaptor(seen[:, 0]).shape == (5, TRAINING.queries, 32)
    assert all(p.grad is not None for p in adaptor.parameters())


def test_a_method_written_as_the_page_says_has_its_name_and_options(tmp_path, monkeypatch) -> None:
    page = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    [example], [config] = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "yaml"))
    (tmp_path / "mine.py").write_text(example)
    faults = {"bare": "@dataclass(frozen=True)\n", "empty": "training_input", "nothing": "class Method"}
    for name, part in faults.items():
        (tmp_path / f"{name}.py").write_text(example.replace(part, part[:-3] if name != "bare" else ""))
    monkeypatch.setattr("maccap.methods.registry.METHODS", tmp_path)
    monkeypatch.setattr("maccap.methods.__path__", [*maccap.methods.__path__, str(tmp_path)])
    own = load_method("mine", TRAINING, yaml.safe_load(config)["runs"]["mine"]["options"])
    assert (own.name, own.options.strength, needs("mine")) == ("mine", 2.0, ("adaptor",))
    assert own.training_input(text_set().batch(torch.arange(6)), torch.Generator()).shape == (6, DIM)
    for name, said in {"bare": "a dataclass", "empty": "has no `training_input`", "nothing": "`Method`"}.items():
        with pytest.raises(ConfigError, match=rf"{name}\.py: .*{said}"):
            check_options(name, {})
    with pytest.raises(ConfigError, match=r"options\.beams does not exist"):
        load_method("mine", TRAINING, {"beams": 3})


def test_memory_projection_is_a_softmax_average() -> None:
    features, rows = normal(2, 4), normal(5, 4, seed=1)
    for feature, projected in zip(features, project(features, rows)):
        weights = [math.exp(float(feature @ row) / 0.01) for row in rows]
        mean = sum(w * row.double() for w, row in zip(weights, rows)) / sum(weights)
        assert torch.allclose(projected.double(), mean / mean.norm(), atol=1e-4)


def test_a_memory_is_cut_to_its_size_at_random_but_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = text_set()
    assert memory(texts, 1).captions(torch.tensor([4, 0])) == [TEXTS[4], TEXTS[0]]
    monkeypatch.setattr("maccap.data.text_corpus.MEMORY_SIZE", 7)
    cut = memory.__wrapped__(texts, 1)
    assert len(set(cut.rows.tolist())) == 7
    assert torch.equal(cut.rows, memory.__wrapped__(texts, 1).rows)
    assert not torch.equal(cut.rows, memory.__wrapped__(texts, 2).rows)
    assert memory.__wrapped__(texts).rows.tolist() == list(range(len(TEXTS))), "whole without a seed"
    assert torch.equal(cut.features, texts.features[cut.rows])
    assert cut.captions(torch.tensor([2])) == [TEXTS[int(cut.rows[2])]]


@pytest.mark.parametrize(("tokens", "hidden"), [(2, 48), (8, 192), (32, 192)])
def test_an_mlp_is_half_as_wide_as_its_soft_tokens_but_four_times_the_language_model_at_most(tokens, hidden):
    mlp = PrefixMLP(DIM, 48, tokens)
    assert mlp.layers[0].out_features == hidden
    assert mlp(torch.zeros(3, DIM)).shape == (3, tokens, 48)


def test_one_pair_has_no_covariance() -> None:
    refuses(lambda: PairStatistics.of(normal(1, DIM), normal(1, DIM)), "1 image-caption pairs in the validation split")


def test_clipre_says_the_nearest_training_caption() -> None:
    images = image_features()
    known = text_set().features.rows
    for row, image in zip(captioner("clipre").caption(images, SELECTION), images.global_):
        nearest = max(range(len(TEXTS)), key=lambda i: float(image @ known[i]))
        assert row["candidates"] == [TEXTS[nearest].replace("!", "")]


def test_close_without_an_adapter_is_capdec_with_its_own_variance() -> None:
    batch = text_set().batch(torch.arange(6))
    close = method("close", adapter="none", noise_variance=0.016)
    assert torch.equal(close.training_input(batch, noise()), method("capdec").training_input(batch, noise()))


def test_close_moves_by_the_mean_gap_and_draws_from_three_times_its_covariance() -> None:
    gap = PairStatistics.of(normal(400, DIM, seed=1) + 0.5, normal(400, DIM, seed=2))
    rows = torch.zeros(200_000, DIM)
    batch = TextBatch(text_set(), torch.arange(len(rows)), rows, [])
    seen = {}
    for adapter in ("mean", "covariance"):
        own = load_method("close", TRAINING, {"adapter": adapter, "noise_variance": 0.01}, Resources(pairs=gap))
        with pytest.MonkeyPatch.context() as patch:  # leave the length as it is, to see the distribution
            patch.setattr("maccap.models.noise.F.normalize", lambda x, dim: x)
            seen[adapter] = own.training_input(batch, noise())
    for drawn in seen.values():
        assert torch.allclose(drawn.mean(dim=0), gap.mean, atol=0.02)
    assert torch.allclose(seen["mean"].T.cov(), 0.01 * torch.eye(DIM), atol=1e-3)
    assert torch.allclose(seen["covariance"].T.cov(), 9 * gap.covariance + 0.01 * torch.eye(DIM), atol=2e-2)


def test_pair_statistics_are_those_of_the_differences_and_survive_the_disk(tmp_path: Path) -> None:
    images, captions = normal(9, 4), normal(9, 4, seed=1)
    found = PairStatistics.of(images, captions)
    mean = sum(a - b for a, b in zip(images, captions)) / 9
    covariance = sum(torch.outer(a - b - mean, a - b - mean) for a, b in zip(images, captions)) / 8
    assert torch.allclose(found.mean, mean, atol=1e-6)
    assert torch.allclose(found.covariance, covariance, atol=1e-6)
    assert torch.allclose(found.root.T @ found.root, covariance, atol=1e-5)
    found.write(tmp_path / "pairs.safetensors")
    again = PairStatistics.read(tmp_path / "pairs.safetensors")
    assert torch.equal(again.mean, found.mean)
    assert torch.equal(again.covariance, found.covariance)


def test_ifcap_retrieves_the_nearest_other_captions_and_leaves_out_only_rows_of_the_memory_itself() -> None:
    own = method("ifcap", retrieval_variance=0.0, neighbours=3)
    texts = own.resources.memory
    rows = torch.tensor([4, 0, 7])
    seen = own.training_input(texts.batch(rows), noise())
    known = texts.features.rows
    for row, neighbours in zip(rows.tolist(), seen[:, 1:]):
        others = sorted((i for i in range(len(known)) if i != row), key=lambda i: -float(known[row] @ known[i]))
        assert torch.equal(neighbours, known[others[:3]])
    images = image_features(2)
    nearest = (images.global_ @ known.T).argsort(dim=1, descending=True)[:, :3]
    assert torch.equal(own.image_input(images, GENERATION, 1, 1)[:, 0, 1:], known[nearest])
    own = method("ifcap", retrieval_variance=0.0, neighbours=1)
    validation = TextSet(own.resources.memory.features, own.resources.memory.captions, "validation")
    seen = own.training_input(validation.batch(torch.arange(4)), noise())
    assert torch.equal(seen[:, 1], own.resources.memory.features.rows[:4])


def test_viecap_finds_each_mentioned_entity_once_and_whole_words_only() -> None:
    own = method("viecap")
    assert own.mentioned("Two boxes, a starfish, a Boat and the boats near the trees.") == ["box", "boat", "tree"]
    assert own.mentioned("Nothing of it.") == []
    for words in (("glasses", "glass"), ("glass", "glasses")):
        own = load_method("viecap", TRAINING, OPTIONS["viecap"], Resources(vocabulary=words))
        assert own.mentioned("A glass beside glasses.") == ["glass", "glasses"], "a word goes before another's plural"


def test_viecap_hides_four_in_ten_entities_in_training() -> None:
    own, texts = method("viecap"), text_set()
    batch = texts.batch(torch.arange(len(TEXTS)))
    generator = noise()
    prompts = [prompt for _ in range(60) for prompt in own.training_prompts(batch, generator)]
    chosen = [[w for w in (a, b) if w] for a in ("", *WORDS) for b in ("", *WORDS)]
    assert set(prompts) <= {f"There are {', '.join(words) or 'something'} in image." for words in chosen}
    named = sum(word in prompt for prompt in prompts for word in WORDS)
    assert named / (2 * len(prompts)) == pytest.approx(0.6, abs=0.03)
    assert "There are something in image." in prompts


def test_viecap_names_what_clip_finds_above_the_threshold() -> None:
    encoder = FakeEncoder(DIM)
    features = encoder.text_features([f"A photo of {word}" for word in WORDS])
    global_ = F.normalize(torch.stack([features[1], features[2] + features[4], features.mean(dim=0)]), dim=-1)
    images = ImageFeatures(torch.arange(3), global_, global_.unsqueeze(1), torch.ones(3, 1, 1))
    prompts = method("viecap", threshold=0.2).image_prompts(images, EncodedOnce(encoder), GENERATION)
    chances = (global_ @ features.T / 0.01).softmax(dim=1)
    for prompt, chance in zip(prompts, chances):
        named = ", ".join(WORDS[i] for i in chance.argsort(descending=True).tolist()[:3] if chance[i] >= 0.2)
        assert prompt == f"There are {named or 'something'} in image."
    assert prompts[0] == "There are boat in image."
    own = method("viecap", prompt="Tags: {entities}.")
    [*_, reworded] = own.image_prompts(images, EncodedOnce(encoder), GENERATION)
    assert reworded == prompts[-1].replace("There are", "Tags:").replace(" in image", "")


def test_viecap_encodes_its_words_once_for_all_batches() -> None:
    run = captioner("viecap", batch_size=2)
    run.caption(image_features(), SELECTION)
    asked = [text for texts in run.encoder.asked for text in texts]
    assert len(asked) == len(set(asked))
    assert {f"A photo of {word}" for word in WORDS} <= set(asked)


def test_prompts_are_given_and_only_captions_are_labels() -> None:
    lm = tiny_lm()
    ids, given = lm.caption_ids(["A red boat.", "A fish."], 12, ["There are boat in image.", ""])
    prompt = lm.tokenizer("There are boat in image.", add_special_tokens=False).input_ids
    caption = lm.tokenizer("A red boat.", add_special_tokens=False).input_ids
    assert ids[0].tolist()[: 2 + len(prompt) + len(caption)] == [lm.begin_id, *prompt, *caption, lm.end_id]
    assert given[0].tolist() == [0 < i <= len(prompt) for i in range(ids.shape[1])]
    assert not given[1].any()
    assert torch.equal(ids[1, :12], lm.caption_ids(["A fish."], 12)[0][0])


@pytest.mark.parametrize("family", ["opt", "mamba"])
def test_magic_picks_by_confidence_degeneration_and_clip(family: str) -> None:
    """Against the search written out: one image, no cache, every candidate scored from its whole text."""
    run, images = captioner("magic", max_new_tokens=5), image_features(3)
    if family == "mamba":
        run = replace(run, lm=LanguageModel(build("mamba", {}), word_tokenizer()))
    lm, options = run.lm, run.method.options
    for image, found in zip(range(3), run.candidates(images)):
        embedded, _ = lm.embed(run.soft_tokens(images.rows(slice(image, image + 1)))[:, 0], [""])
        ids: list[int] = []
        for _ in range(5):
            tokens = torch.tensor([ids], dtype=torch.long)
            whole = torch.cat([embedded, lm.model.get_input_embeddings()(tokens)], dim=1)
            state = lm.model(inputs_embeds=whole, output_hidden_states=True)
            chance, candidates = state.logits[0, -1].softmax(-1).topk(options.candidates)
            context = state.hidden_states[-1][0, embedded.shape[1] - 1 :]
            cosines, penalties = [], []
            for token in candidates.tolist():
                longer = torch.cat([whole, lm.model.get_input_embeddings()(torch.tensor([[token]]))], dim=1)
                hidden = lm.model(inputs_embeds=longer, output_hidden_states=True).hidden_states[-1][0, -1]
                penalties.append(F.cosine_similarity(context, hidden.unsqueeze(0)).max())
                text = run.encoder.text_features([lm.text(torch.tensor([*ids, token]))])[0]
                cosines.append(text @ images.global_[image])
            guide = (100 * torch.stack(cosines)).softmax(0)
            score = (1 - options.alpha) * chance - options.alpha * torch.stack(penalties) + options.beta * guide
            ids.append(int(candidates[score.argmax()]))
        assert found == [lm.text(torch.tensor(ids))]
