"""The stable names: each imports from the top of the package, in a fresh process, with the parameters it promises.

What they compute is tested beside the modules that they come from.
"""

import ast
import inspect
import subprocess
import sys
from importlib import import_module

import pytest
import torch

import maccap
from tests.helpers import ROOT

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
    (block,) = [node for node in ast.parse(inspect.getsource(maccap)).body if isinstance(node, ast.If)]
    seen = {}
    for statement in block.body:
        module = import_module(f".{statement.module}", "maccap")
        seen |= {alias.name: getattr(module, alias.name) for alias in statement.names}
    assert seen == {name: getattr(maccap, name) for name in NAMES}


def test_the_shipped_models_load_and_fit_each_other():
    encoder = maccap.load_encoder(str(ROOT / "maccap/world/weights/clip-scenes"))
    assert encoder.text_features(["A red boat."]).shape == (1, encoder.dim)
    assert encoder.logit_scale == pytest.approx(1 / 0.07, rel=1e-3)
    lm = maccap.load_language_model(str(ROOT / "maccap/world/weights/opt-scenes"))
    assert isinstance(lm, maccap.LanguageModel)
    assert maccap.Adaptor(16, lm.dim)(torch.randn(2, 5, 16)).shape == (2, 32, lm.dim)


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
