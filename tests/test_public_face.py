"""The stable names: each imports from the top of the package, in a fresh process, with the shapes that it promises."""

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module

import open_clip
import pytest
import torch
from torch.nn import functional as F

import maccap
from maccap.models.adaptor import Adaptor
from tests.helpers import ROOT
from tests.helpers.tiny import tiny_lm

NAMES = (
    "inject_noise", "image_tokens_and_attention", "aggregate", "fuse", "Adaptor", "reconstruction_loss", "load_encoder",
    "load_language_model", "LanguageModel", "load_run", "caption_scores", "vqa_accuracy",
)  # fmt: skip


def fresh(code: str) -> str:
    """What a new Python process prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_stable_names_are_all_there_are():
    assert set(maccap.__all__) == set(NAMES)
    assert {*NAMES, "__version__"} <= set(dir(maccap))
    with pytest.raises(AttributeError, match="no attribute 'capton'"):
        maccap.capton  # noqa: B018


def test_every_name_imports_first_in_a_fresh_process():
    """Each in a child of a process that has only other people's libraries, so that no import helps another."""
    code = f"""
import os, open_clip, pycocoevalcap, transformers.modeling_utils
for name in {NAMES}:
    child = os.fork()
    if not child:
        exec(f"from maccap import {{name}}; assert {{name}}.__name__ == {{name!r}}, name")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""
    fresh(code)


def test_importing_the_package_is_quick_and_loads_no_library():
    code = """
import sys, time
began = time.process_time()
import maccap
taken = time.process_time() - began
print(taken, *sorted({"torch", "transformers", "pandas", "numpy", "open_clip", "pydantic"} & set(sys.modules)))
"""
    taken, *loaded = min((fresh(code).split() for _ in range(3)), key=lambda words: float(words[0]))
    assert loaded == []
    assert float(taken) < 0.1


def test_editors_see_what_python_loads():
    """What stands under TYPE_CHECKING, from which editors complete, is what is loaded."""
    (block,) = [node for node in ast.parse(inspect.getsource(maccap)).body if isinstance(node, ast.If)]
    seen = {}
    for statement in block.body:
        module = import_module(f".{statement.module}", "maccap")
        seen |= {alias.name: getattr(module, alias.name) for alias in statement.names}
    assert seen == {name: getattr(maccap, name) for name in NAMES}


def test_noise_has_the_shape_of_its_features_and_length_one():
    features = torch.randn(2, 3, 16)
    noisy = maccap.inject_noise(features, 0.016, generator=torch.Generator().manual_seed(1))
    assert noisy.shape == features.shape
    assert torch.allclose(noisy.norm(dim=-1), torch.ones(2, 3), atol=1e-6)
    noise = torch.randn(2, 3, 16)
    expected = F.normalize(features + 0.016**0.5 * noise, dim=-1)
    assert torch.allclose(maccap.inject_noise(features, 0.016, noise=noise), expected, atol=1e-6)


@torch.no_grad()
def test_images_become_tokens_subregions_and_soft_tokens():
    vision = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32}
    text = {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1}
    clip = open_clip.CLIP(16, vision, text).eval()
    global_, tokens, attention = maccap.image_tokens_and_attention(clip, torch.randn(2, 3, 32, 32))
    assert (global_.shape, tokens.shape, attention.shape) == ((2, 16), (2, 17, 16), (2, 17, 17))
    assert torch.allclose(attention.sum(dim=-1), torch.ones(2, 17), atol=1e-5)
    for released in (True, False):
        subregions = maccap.aggregate(tokens, attention, 5, released=released)
        assert subregions.shape == (2, 5, 16)
        assert torch.allclose(subregions.norm(dim=-1), torch.ones(2, 5), atol=1e-5)
    assert torch.equal(maccap.aggregate(tokens, attention, 5), maccap.aggregate(tokens, attention, 5, released=True))
    fused = maccap.fuse(global_, subregions, 0.5)
    assert torch.allclose(fused, F.normalize(global_, dim=-1).unsqueeze(1) + 0.5 * subregions)
    adaptor = maccap.Adaptor(16, 24, num_queries=6, num_layers=2)
    assert adaptor(fused).shape == (2, 6, 24)
    assert maccap.Adaptor(16, 24)(fused).shape == (2, 32, 24)
    assert maccap.Adaptor is Adaptor


def test_the_authors_weights_load_by_their_own_names():
    state = {
        name.replace("queries", "query_fusion.weight").replace("projection.0", "align_proj.layers.0")
        .replace("projection.2", "align_proj.layers.1").replace("projection.4", "align_proj.layers.2")
        .replace("decoder.", "aligner."): value
        for name, value in maccap.Adaptor(16, 24, 6).state_dict().items()
    }  # fmt: skip
    assert maccap.Adaptor.from_released(state).eval()(torch.randn(1, 4, 16)).shape == (1, 6, 24)


def test_the_loss_is_a_scalar_with_a_gradient_for_the_prefix():
    lm = tiny_lm()
    prefix = torch.randn(2, 3, lm.dim, requires_grad=True)
    tokens, _ = lm.caption_ids(["A red boat.", "A tree on the grass."], 12)
    for counted in (True, False):
        loss = maccap.reconstruction_loss(lm.model, prefix, tokens, lm.pad_id, counted)
        assert loss.shape == ()
    loss.backward()
    assert prefix.grad.abs().sum() > 0


def test_a_language_model_continues_prefixes_and_prompts(tmp_path):
    lm = tiny_lm()
    assert isinstance(lm, maccap.LanguageModel)
    texts = lm.generate(torch.randn(2, 3, lm.dim), ["", "A red"], beams=2, max_new_tokens=4)
    assert [type(text) for text in texts] == [str, str]
    embedded, mask = lm.embed(None, ["", "A red boat"])
    assert embedded.shape == (*mask.shape, lm.dim)


def test_the_shipped_models_load_and_fit_each_other():
    encoder = maccap.load_encoder(str(ROOT / "maccap/world/weights/clip-scenes"))
    assert encoder.text_features(["A red boat."]).shape == (1, encoder.dim)
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-3)
    lm = maccap.load_language_model(str(ROOT / "maccap/world/weights/opt-scenes"))
    assert isinstance(lm, maccap.LanguageModel)


def test_captions_and_answers_are_scored_in_percent():
    texts = {1: ["a red boat on the sand", "a boat"], 2: ["a tree on the grass", "one tree"]}
    scores = maccap.caption_scores(texts, {1: "a red boat on the sand", 2: "a tree on the grass"})
    assert list(scores)[:7] == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr"]
    assert scores["BLEU-1"] == pytest.approx(100, abs=1e-3)
    annotations = {
        "annotations": [
            {
                "question_id": 1, "question_type": "is", "answer_type": "yes/no", "multiple_choice_answer": "yes",
                "answers": [{"answer": "yes"}] * 9 + [{"answer": "no"}],
            }
        ]
    }  # fmt: skip
    accuracy = maccap.vqa_accuracy(json.loads(json.dumps(annotations)), [{"question_id": 1, "answer": "yes"}])
    assert accuracy["overall"] == 100
    assert {"overall", "per_answer_type", "per_question_type", "per_question"} <= accuracy.keys()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("inject_noise", ["features", "variance", "noise", "generator"]),
        ("image_tokens_and_attention", ["model", "images"]), ("aggregate", ["tokens", "attention", "k", "released"]),
        ("fuse", ["global_features", "subregions", "weight"]),
        ("Adaptor", ["feature_dim", "lm_dim", "num_queries", "num_layers"]),
        ("reconstruction_loss", ["lm", "prefix", "tokens", "pad_token_id", "count_padding"]),
        ("load_encoder", ["name", "pretrained"]), ("load_language_model", ["name"]),
        ("LanguageModel", ["model", "tokenizer"]), ("load_run", ["folder"]),
        ("caption_scores", ["references", "predictions"]), ("vqa_accuracy", ["annotations", "results"]),
    ],
)  # fmt: skip
def test_parameters_keep_their_names_and_order(name, parameters):
    found = list(inspect.signature(getattr(maccap, name)).parameters.values())
    assert [parameter.name for parameter in found][: len(parameters)] == parameters
    assert all(parameter.default is not inspect.Parameter.empty for parameter in found[len(parameters) :])
