"""Wrong settings are refused before anything runs, and planning needs neither torch nor a GPU."""

import copy
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from maccap.cli.step import STEPS
from maccap.core.dotted import leaves
from maccap.core.errors import ConfigError
from maccap.core.project import check_name, config_files, default_profile, read_config
from maccap.core.settings import (
    AnsweringSettings,
    GenerationSettings,
    SelectionSettings,
    TrainingSettings,
    complete,
    section,
    settings,
)
from maccap.graph import config_page
from maccap.graph.rules import step
from maccap.graph.snakemake_graph import read_graph
from tests.helpers import ROOT
from tests.helpers.files import refuses

MINI: dict[str, Any] = read_config("mini", ROOT)
PAPER: dict[str, Any] = read_config("paper", ROOT)
KINDS = {
    "training": TrainingSettings, "generation": GenerationSettings, "selection": SelectionSettings,
    "answering": AnsweringSettings,
}  # fmt: skip
VALIDATOR = jsonschema.Draft202012Validator(config_page.schema())


def dotted(name: str) -> dict[str, Any]:
    """A section of the mini profile as a rule passes it on."""
    return {f"{name}.{key}": value for key, value in MINI[name].items()}


# --- settings objects ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", KINDS)
def test_settings_hold_what_the_profile_says_no_less_and_no_more(name: str) -> None:
    built = settings(KINDS[name], {"seed": 1, "other.copies": 5, **dotted(name)}, name)
    assert built.model_dump() == MINI[name]
    with pytest.raises(ValidationError, match="frozen"):
        built.batch_size = 1  # type: ignore[misc]
    with pytest.raises(ConfigError, match=rf"{name}\.batchsize does not exist") as caught:
        settings(KINDS[name], dotted(name) | {f"{name}.batchsize": 3}, name)
    for key in MINI[name]:
        assert key in str(caught.value), "the keys that there are"
        cfg = dotted(name)
        del cfg[f"{name}.{key}"]
        with pytest.raises(ConfigError, match=rf"{name}\.{key} is missing: add it"):
            settings(KINDS[name], cfg, name)


def test_a_later_section_overrides_an_earlier_one_and_nothing_else() -> None:
    cfg = dotted("training") | {"runs.a.training.copies": 1, "runs.a.method": "maccap", "runs.ab.training.copies": 77}
    built = settings(TrainingSettings, cfg, "training", "runs.a.training")
    assert built.model_dump() == MINI["training"] | {"copies": 1}
    assert settings(TrainingSettings, cfg, "training", "runs.none.training").copies == MINI["training"]["copies"]
    with pytest.raises(ConfigError, match=r"runs\.a\.training\.copys does not exist"):
        settings(TrainingSettings, cfg | {"runs.a.training.copys": 1}, "training", "runs.a.training")
    with pytest.raises(ConfigError, match=r"training\.copies: Input should be a valid integer, not 'ten'"):
        settings(TrainingSettings, cfg | {"runs.a.training.copies": "ten"}, "training", "runs.a.training")


def test_dotted_keys_are_all_values_of_a_config_and_a_section_is_what_lies_below_one_name() -> None:
    config = {"seed": 1, "training": {"epochs": 2, "noise": {"copies": None}}, "gap": {}}
    assert leaves("", config) == {"seed": 1, "training.epochs": 2, "training.noise.copies": None}
    assert leaves("training.epochs", 2) == {"training.epochs": 2}
    cfg = {"a.b": 1, "a.c.d": 2, "ab.c": 3, "a": 4, "b.a.c": 5}
    assert section(cfg, "a") == {"b": 1, "c.d": 2}
    assert section(cfg, "a.c") == {"d": 2}
    assert section(cfg, "none") == {}


# --- profiles ------------------------------------------------------------------------------------------------------
FREE = ("runs", "experiments", "tables", "datasets", "vqa_methods", "local", "samples")  # names of the user's own


def mappings(value: dict[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    """Where in the config there is a mapping."""
    yield path
    for key, below in value.items():
        if isinstance(below, dict):
            yield from mappings(below, *path, key)


def at(config: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path:
        config = config[key]
    return config


def changed(path: tuple[str, ...], key: str, value: Any) -> dict[str, Any]:
    """The mini profile with one other value."""
    config = copy.deepcopy(MINI)
    at(config, path)[key] = value
    return config


def refused(config: dict[str, Any]) -> str:
    """What is said of a config; the schema, which editors and Snakemake read, refuses it too."""
    assert not VALIDATOR.is_valid(config)
    with pytest.raises(ConfigError) as caught:
        complete(config)
    return str(caught.value)


def test_the_released_settings_are_the_defaults_and_the_papers() -> None:
    released = {
        "training": {
            "batch_size": 32, "epochs": 8, "learning_rate": 1e-4, "warmup_steps": 200, "noise_variance": 0.016,
            "copies": 10, "queries": 32, "layers": 1, "dropout": 0.1, "dropout_first_epoch_only": True,
            "count_padding": True,
        },
        "generation": {
            "beams": 4, "max_new_tokens": 16, "subregions": 10, "double_softmax": True, "noise_variance": 0.016,
        },
        "selection": {"draws": 4, "rerank_characters": 80, "clean": True},
        "answering": {"beams": 5, "length_penalty": -1.0},
    }  # fmt: skip
    for name, values in released.items():
        assert KINDS[name]().model_dump() == PAPER[name]
        assert PAPER[name] | values == PAPER[name]


def test_a_profile_is_merged_from_its_files_key_by_key_and_null_takes_out(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    base = MINI | {"runs": MINI["runs"] | {"unused": {"method": "capdec"}}}
    own = {"profile": "own", "training": {"copies": 3}, "runs": {"magic": {"options": {"alpha": 0.2}}, "unused": None}}
    for name, content in (("config", {"profile": "own"}), ("base", base), ("own", own)):
        (tmp_path / f"config/{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    merged = read_config("own", tmp_path)
    assert merged["training"] == MINI["training"] | {"copies": 3}
    assert merged["runs"]["magic"]["options"] == {"candidates": 8, "alpha": 0.2}
    assert {name: run for name, run in merged["runs"].items() if name != "magic"} == {
        name: run for name, run in MINI["runs"].items() if name != "magic"
    }
    assert merged == MINI | {key: merged[key] for key in ("profile", "training", "runs")}
    assert complete(merged) == merged, "a whole config has nothing to fill in"
    refuses(lambda: read_config("none", tmp_path), "config/none.yaml: cannot be read", kind=ConfigError)
    small = {"profile": "small", "extends": "own", "training": {"copies": 2}}
    (tmp_path / "config/small.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    extended = read_config("small", tmp_path)
    assert extended == merged | {
        "profile": "small", "extends": "own", "training": merged["training"] | {"copies": 2},
    }  # fmt: skip
    (tmp_path / "config/own.yaml").write_text(yaml.safe_dump(own | {"extends": "small"}), encoding="utf-8")
    refuses(lambda: read_config("small", tmp_path), "config/small.yaml: extends itself", kind=ConfigError)
    (tmp_path / "config/small.yaml").write_text(yaml.safe_dump(small | {"extends": "gone"}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config/small\.yaml: extends 'gone', but there is no config/gone\.yaml"):
        read_config("small", tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "training: {copies: 3}\n\ntraining:\n  dropout: 0.1\n",
            "line 3 gives the key 'training' again, after line 1; keep one of them",
        ),
        (
            "training:\n  copies: 3\n  epochs: 1\n  copies: 4\n",
            "line 4 gives the key 'copies' again, after line 2; keep one of them",
        ),
        ("tables:\n  a: [{x: 1,\n  x: 2}]\n", "line 3 gives the key 'x' again, after line 2; keep one of them"),
        (f"a: {3000 * '['}{3000 * ']'}\n", "its lists or mappings are too deep"),
    ],
    ids=["section", "setting", "in a list", "too deep"],
)
def test_a_key_that_stands_twice_is_refused_as_yaml_would_silently_take_the_last(tmp_path, text, told) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("profile: own\n", encoding="utf-8")
    (tmp_path / "config/base.yaml").write_text("a: &one {copies: 1}\nb: {<<: *one, copies: 2}\n", encoding="utf-8")
    (tmp_path / "config/own.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_config("own", tmp_path)
    assert f"{tmp_path}/config/own.yaml: cannot be read ({told})" in str(refused.value)


def test_a_profile_that_is_not_called_as_its_file_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/nameless.yaml").write_text("extends: world\n", encoding="utf-8")
    told = "config/nameless.yaml: its key `profile` is None; write `profile: 'nameless'`, as the file is called"
    refuses(lambda: check_name(Path("config/nameless.yaml")), told, kind=ConfigError)
    for name, profile in (("mine", "world"), ("2024", 2024), ("config", "mini"), ("world", "world")):
        (tmp_path / f"config/{name}.yaml").write_text(yaml.safe_dump({"profile": profile}), encoding="utf-8")
    (tmp_path / "elsewhere.yaml").write_text("profile: world\n", encoding="utf-8")
    for path in ("config/config.yaml", "config/world.yaml", "elsewhere.yaml"):
        check_name(Path(path))
    told = "config/mine.yaml: its key `profile` is 'world'; write `profile: 'mine'`, as the file is called"
    refuses(lambda: check_name(Path("config/mine.yaml")), told, kind=ConfigError)
    told = "config/2024.yaml: its key `profile` is 2024; write `profile: '2024'`, as the file is called"
    refuses(lambda: check_name(tmp_path / "config/2024.yaml"), f"{tmp_path}/{told}", kind=ConfigError)


def test_two_default_profiles_are_refused(tmp_path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "Snakefile").touch()
    (tmp_path / "config/config.yaml").write_text("profile: mini\nprofile: world\n", encoding="utf-8")
    refuses(lambda: default_profile(tmp_path), "line 2 gives the key 'profile' again, after line 1", kind=ConfigError)


def test_aliases_that_are_shared_or_hold_themselves_and_several_merges_are_no_key_given_twice(tmp_path) -> None:
    (tmp_path / "config").mkdir()
    nested = "".join(f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]\n" for n in range(1, 12))
    for text in ("a: &s {b: [*s]}\n", f"a0: &a0 1\n{nested}", "a: &m {x: 1}\nb: &n {y: 1}\nc:\n  <<: *m\n  <<: *n\n"):
        (tmp_path / "config/own.yaml").write_text(text, encoding="utf-8")
        assert config_files("own", tmp_path)[-1].name == "own.yaml"


def test_an_unknown_key_wherever_it_is_and_a_missing_one_without_a_default_are_refused_and_named() -> None:
    places = [path for path in mappings(MINI) if path not in {(name,) for name in FREE} and path[-1:] != ("options",)]
    assert len(places) > 30
    for path in places:
        said = refused(changed(path, "typo_key", 3))
        assert f"config key {'.'.join([*path, 'typo_key'])} does not exist; docs/config.md" in said
    places = "encoder.name seed scenes.val runs.maccap.method tables.gap.title"
    for path in [place.split(".") for place in places.split()]:
        config = copy.deepcopy(MINI)
        del at(config, tuple(path[:-1]))[path[-1]]
        assert f"config key {'.'.join(path)} is missing: add it to the profile's file" in refused(config)


def test_a_value_of_the_wrong_type_is_refused() -> None:
    seen = set()  # of entries with names of the user's own, one of a kind
    for path in mappings(MINI):
        if path[-1:] == ("options",):  # a method's own
            continue
        for key, value in at(MINI, path).items():
            kind = [name if number != 1 or path[0] not in FREE else "*" for number, name in enumerate([*path, key])]
            if (*kind, type(value)) in seen:
                continue
            seen.add((*kind, type(value)))
            wrong = [[], {"x": []}] if not isinstance(value, (dict, list)) else ["text", 3]
            if isinstance(value, (int, float)):
                wrong += ["3", "1e-3", -1.5] + ([] if isinstance(value, float) else [2.5])
            if isinstance(value, bool):
                wrong += [1, "yes"]
            if key == "length_penalty":
                wrong.remove(-1.5)
            for other in wrong:
                assert ".".join([*path, key]) in refused(changed(path, key, other)), other


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tables.vqa.trained", None, "tables.vqa: a table of kind `vqa` needs the key `trained`"),
        ("tables.ablation.pairs", ["daylight-daylight", "chalk-chalk"], "kind `comparison` shows one of `pairs`"),
        ("tables.in_domain.claims", True, "a table with `claims` is of kind `comparison`"),
        ("tables.vqa.vqa_methods", ["prefix", "prefix"], "tables.vqa.vqa_methods: an entry occurs twice"),
        ("vqa_methods.prefix.language_model", "google/flan-t5-xl", "soft tokens fit only the language model"),
        ("vqa_methods.prefix.experiment", None, "`context: prefix` needs an `experiment`"),
        ("registry", "assets.yaml", "a profile with a `registry` needs `lock` and `estimate`"),
        ("pretraining.clip.patch_size", 97, "pretraining.clip: `patch_size` is between"),
        ("pretraining.clip.patch_size", 6, "pretraining.clip: `patch_size` is between"),
        ("pretraining.lm.heads", 3, "pretraining.lm: `width` must be a multiple of `heads`"),
        ("encoder.name", "", "encoder.name: String should have at least 1 character"),
        ("answering.prompt", "Say something.", "answering.prompt: String should match pattern"),
        ("experiments.Mine", {"label": "x"}, "experiments.Mine"),
        ("tables.a/b", MINI["tables"]["gap"], "tables.a/b"),
        ("datasets.daylight.images", {"file": "my {1}/x.zip"}, "images.file: a path cannot have { or }"),
        ("encoder.name", "models/{a}", "encoder.name: a path cannot have { or } in it"),
        ("local", {"coco": "}"}, "local.coco: a path cannot have { or } in it"),
        *(
            ("datasets.daylight.image_name", name, f"datasets.daylight.image_name: {said}")
            for name, said in {
                "{:012d": "no file name template", "{id}.jpg": "no file name template", "{.x}": "no file name template",
                "{}{}.jpg": "no file name template", "{:c}": "no file name template", "one.jpg": "names one file for",
                "../{}.jpg": "leads out of the images",
            }.items()
        ),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together_are_named(key: str, value: Any, said: str) -> None:
    *path, last = key.split(".")
    refuses(lambda: complete(changed(tuple(path), last, value)), said, kind=ConfigError)


FINITE, SIZE = "should be a finite number", "a number must be 0 or between 1e-15 and 1e+15 in size"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("training.learning_rate", math.inf, FINITE), ("training.learning_rate", math.nan, FINITE),
        ("training.learning_rate", 1e4, "less than or equal to 1"), ("training.learning_rate", 5e-324, SIZE),
        ("training.learning_rate", "1e-4", "valid number, not '1e-4'; YAML wants 1e-3 with a point, 1.0e-3"),
        ("training.weight_decay", 1e9, "less than or equal to 10"), ("training.noise_variance", 1e30, SIZE),
        ("training.memory_gain", 1e9, "less than or equal to 1000000"), ("training.copies", 10**30, SIZE),
        ("generation.patch_weight", 1e39, SIZE), ("answering.length_penalty", math.nan, FINITE),
        ("answering.length_penalty", 1000.0, "less than or equal to 10"),
        ("answering.prompt", "{question} {", "write {{ and }} for other braces"),
        ("answering.prompt", "Q: {{question}}", "no text with {question} in it (its braces are doubled)"),
        ("answering.prompt", "{question} {other}", "no text with {question} in it ('other')"),
        ("runs.magic.options", {"alpha": math.inf}, "runs.magic.options.alpha"),
        ("seed", 2**32, "less than or equal to 4294967295"), ("scenes.test", 4, "greater than or equal to 5"),
        ("experiments.maccap.label", "", "at least 1 character"), ("pretraining.clip.width", 100, "multiple of 32"),
        ("pretraining.clip.steps", 1, "greater than or equal to 2"),
        ("pretraining.lm.vocab_size", 300, "greater than or equal to 512"),
        ("pretraining.lm.learning_rate", 10.0, "less than or equal to 1"),
    ],
)  # fmt: skip
def test_a_value_that_no_job_could_use_is_refused(key: str, value: Any, said: str) -> None:
    *path, last = key.split(".")
    refuses(lambda: complete(changed(tuple(path), last, value)), key, said, kind=ConfigError)


def test_other_braces_in_a_prompt_are_written_twice() -> None:
    prompt = complete(changed(("answering",), "prompt", "{{a}} {question}"))["answering"]["prompt"]
    assert prompt.format(question="why?") == "{a} why?"


def test_schema_and_page_are_those_of_the_model_and_tell_every_key_of_the_profiles() -> None:
    for path, text in ((config_page.SCHEMA, config_page.schema_text()), (config_page.PAGE, config_page.page_text())):
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is stale: run `make schema`"
    for config in (MINI, PAPER):
        VALIDATOR.validate(config)
    page = config_page.page_text()
    for config in (MINI, PAPER):
        for path in mappings(config):
            if path[-1:] not in {("options",), ("published",), *((name,) for name in FREE)}:
                for key in at(config, path):
                    assert f"| `{key}` |" in page, key


# --- planning ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what planning reads; weights are files of one byte."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Snakefile", folder)
    ignored = shutil.ignore_patterns("*.safetensors", "__pycache__")
    for name in ("config", "workflow", "maccap"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for weights in ROOT.glob("maccap/world/weights/*/*.safetensors"):
        (folder / weights.relative_to(ROOT)).write_bytes(b"w")
    (folder / "profiles").symlink_to("workflow/profiles")
    for name in ("torch", "transformers", "open_clip"):
        (folder / "stubs" / name).mkdir(parents=True)
        (folder / "stubs" / name / "__init__.py").write_text(f"raise ImportError('planning imports {name}')\n")
    return folder


def plan(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(project / "stubs"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "snakemake", "-n", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=project, env=environment, **streams)


@contextmanager
def edited(project: Path, old: str, new: str) -> Iterator[None]:
    """The profile world with another text in one place."""
    profile = project / "config" / "world.yaml"
    good = profile.read_text(encoding="utf-8")
    assert good.count(old) == 1
    profile.write_text(good.replace(old, new), encoding="utf-8")
    try:
        yield
    finally:
        profile.write_text(good, encoding="utf-8")


def planned_jobs(output: str) -> dict[str, int]:
    """Snakemake's table of jobs, without its total."""
    table = output.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(n) for name, n in re.findall(r"^([a-z_0-9]+)\s+(\d+)$", table, re.MULTILINE) if name != "total"}


def test_a_config_file_in_another_encoding_is_named(project: Path) -> None:
    file = project / "config/base.yaml"
    good = file.read_bytes()
    file.write_bytes(good + "# café\n".encode("latin-1"))
    try:
        run = plan(project)
    finally:
        file.write_bytes(good)
    assert run.returncode != 0
    assert "config/base.yaml: cannot be read ('utf-8' codec can't decode byte 0xe9" in run.stdout


def test_planning_needs_neither_torch_nor_a_gpu_and_plans_each_job_once(project: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(project / "stubs")}
    blocked = subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True)
    assert b"planning imports torch" in blocked.stderr, "the stub does not keep torch away"
    run = plan(project)
    assert run.returncode == 0, run.stdout[-3000:]

    tables = [spec for spec in MINI["tables"].values() if not spec.get("extended")]
    cells = {
        (*pair.split("-"), experiment)
        for spec in tables
        for pair in spec.get("pairs", [])
        for experiment in spec["experiments"]
    }
    domains, experiments = len(MINI["datasets"]), MINI["experiments"]
    runs = {(on, experiments[e]["run"]) for on, _, e in cells if "run" in experiments[e]}
    trained = {(on, run) for on, run in runs if MINI["runs"][run]["method"] != "clipre"}
    vqa_methods = {(s["trained"], s["dataset"], name) for s in tables for name in s.get("vqa_methods", [])}
    ways = [name for *_, name in vqa_methods if name != "majority"]
    once = (
        "majority", "gap_figure", "training_figure", "samples", "example_figure", "sample_page", "report", "manifest",
        "all",
    )  # fmt: skip
    expected = {
        **dict.fromkeys(("scenes", "contents", "captions", "image_features", "text_features"), domains),
        **dict.fromkeys(("gap", "instruments", "evaluate"), domains),
        **dict.fromkeys(("train", "describe_run"), len(trained)), **dict.fromkeys(once, 1),
        "pair_statistics": sum(MINI["runs"][run]["method"] == "close" for _, run in runs),
        **{f"{kind}_figure": sum(spec["kind"] == kind for spec in tables) for kind in ("captions", "sweep")},
        "predict": len(runs), "baselines": len({on for on, _, e in cells if e == "blind"}),
        "answer": len(ways), "evaluate_answers": len({about[:2] for about in vqa_methods}), "table": len(tables),
    }  # fmt: skip
    assert planned_jobs(run.stdout) == {rule: count for rule, count in expected.items() if count}


def test_planning_loads_no_reader_and_no_client() -> None:
    code = (
        "import sys, maccap.graph.files, maccap.graph.estimate\n"
        "from maccap.data.formats import formats; formats(); print(*sys.modules)"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
    slow = {"torch", "numpy", "pandas", "requests", "huggingface_hub", "maccap.data.coco", "maccap.data.captions"}
    assert slow.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("gpus: 0", "repeat: 3\ngpus: 0", "config key repeat does not exist"),
        ("  copies: 10", "  copies: 10\n  copy: 3", "config key training.copy does not exist"),
        (
            "training: {<<: *maccap, memory_gain: 1.0}",
            "training: {epochs: 2, gain: 1.0}",
            "config key runs.gain-1.training.gain does not exist",
        ),
    ],
    ids=["at the top", "in a section", "in a run's override"],
)
def test_a_typo_in_the_config_stops_planning_and_is_named(project: Path, right: str, wrong: str, said: str) -> None:
    with edited(project, right, wrong):
        run = plan(project)
    assert run.returncode != 0
    assert "Job stats" not in run.stdout
    assert said in run.stdout


def test_planning_stops_where_a_profile_would_take_the_place_of_another(project: Path) -> None:
    with edited(project, "profile: world\n", "profile: mini\n"):
        run = plan(project, "--configfile", "config/world.yaml")
    assert run.returncode != 0
    assert "config/world.yaml: its key `profile` is 'mini'; write `profile: 'world'`" in run.stdout


def test_answers_are_given_the_settings_of_the_experiment_that_they_build_on(project: Path) -> None:
    label = '  prompt-letters: {label: "Q: … A:"'
    with edited(project, label, f"  prefix: {{experiment: single-softmax}}\n{label}"):
        run = plan(project, "--printshellcmds")
    [command] = re.findall(r"python -m maccap step answer .*vqa_methods\.prefix.*", run.stdout)
    assert "experiments.single-softmax.generation.double_softmax" in command


def test_each_step_of_the_workflow_has_a_rule_and_its_own_code_as_a_parameter() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    assert re.findall(r"^ *rule (\w*):", rules, re.MULTILINE) == ["step"]
    bodies = re.split(r"^use rule step as \w+ with:\n", rules, flags=re.MULTILINE)[1:]
    called = [re.findall(r"""\*\*step\(\s*"([a-z_]+)\"""", body) for body in bodies]
    assert all(len(names) == 1 for names in called), called
    assert {name for [name] in called} == set(STEPS), "a step without a rule, or a rule without its step"
    for name in STEPS:
        assert step(name)["code"]({}).startswith(f"steps.runner steps.{name} "), "a step whose code is not tracked"


def test_labels_and_notes_of_tables_decide_no_captions_and_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    deciding = [job for job in read_graph("mini").jobs if job.rule in ("predict", "answer")]
    own = {key for job in deciding for key in job.settings if key.startswith(("experiments.", "vqa_methods."))}
    assert {key.split(".")[2] for key in own} == {"generation", "selection", "given", "context"}
