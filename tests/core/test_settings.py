"""Wrong settings are refused before anything runs, and planning needs neither torch nor a GPU."""

from __future__ import annotations

import copy
import dataclasses
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from maccap.cli.main import NOT_STEPS
from maccap.core.errors import ConfigError
from maccap.core.settings import AnsweringSettings, DecodingSettings, TrainingSettings, section, settings
from tests.helpers import ROOT

MINI: dict[str, Any] = yaml.safe_load((ROOT / "config/mini.yaml").read_text(encoding="utf-8"))
SCHEMA: dict[str, Any] = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KINDS = {"training": TrainingSettings, "decoding": DecodingSettings, "answering": AnsweringSettings}


def dotted(name: str) -> dict[str, Any]:
    """A section of the mini profile as a rule passes it on."""
    return {f"{name}.{key}": value for key, value in MINI[name].items()}


# --- settings objects ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", KINDS)
def test_settings_hold_what_the_profile_says(name: str) -> None:
    built = settings(KINDS[name], {"seed": 1, "other.copies": 5, **dotted(name)}, name)
    assert dataclasses.asdict(built) == MINI[name]
    with pytest.raises(dataclasses.FrozenInstanceError):
        built.batch_size = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", KINDS)
def test_an_unknown_key_is_refused_and_named_with_the_known_ones(name: str) -> None:
    cfg = dotted(name) | {f"{name}.batchsize": 3}
    with pytest.raises(ConfigError, match=rf"{name}\.batchsize does not exist") as caught:
        settings(KINDS[name], cfg, name)
    for field in dataclasses.fields(KINDS[name]):
        assert field.name in str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_each_missing_key_is_refused_and_named(name: str) -> None:
    for key in MINI[name]:
        cfg = dotted(name)
        del cfg[f"{name}.{key}"]
        with pytest.raises(ConfigError, match=rf"{name}\.{key} is missing: add it"):
            settings(KINDS[name], cfg, name)


def test_a_later_section_overrides_an_earlier_one_and_nothing_else() -> None:
    cfg = dotted("training") | {"runs.a.training.copies": 1, "runs.a.method": "maccap", "runs.ab.training.copies": 77}
    built = settings(TrainingSettings, cfg, "training", "runs.a.training")
    assert dataclasses.asdict(built) == MINI["training"] | {"copies": 1}
    assert settings(TrainingSettings, cfg, "training", "runs.none.training").copies == MINI["training"]["copies"]
    with pytest.raises(ConfigError, match=r"runs\.a\.training\.copys does not exist"):
        settings(TrainingSettings, cfg | {"runs.a.training.copys": 1}, "training", "runs.a.training")


def test_a_section_is_what_lies_below_one_name() -> None:
    cfg = {"a.b": 1, "a.c.d": 2, "ab.c": 3, "a": 4, "b.a.c": 5}
    assert section(cfg, "a") == {"b": 1, "c.d": 2}
    assert section(cfg, "a.c") == {"d": 2}
    assert section(cfg, "none") == {}


def test_every_run_and_experiment_of_the_mini_profile_has_valid_settings() -> None:
    for name, run in MINI["runs"].items():
        cfg = dotted("training") | {f"runs.{name}.training.{k}": v for k, v in run.get("training", {}).items()}
        built = settings(TrainingSettings, cfg, "training", f"runs.{name}.training")
        assert dataclasses.asdict(built) == MINI["training"] | run.get("training", {})
        assert (ROOT / "maccap/methods" / f"{run['method']}.py").is_file()
    for name, row in MINI["experiments"].items():
        cfg = dotted("decoding") | {f"experiments.{name}.decoding.{k}": v for k, v in row.get("decoding", {}).items()}
        settings(DecodingSettings, cfg, "decoding", f"experiments.{name}.decoding")
        assert row.get("run", "maccap") in MINI["runs"]
    for spec in MINI["tables"].values():
        assert set(spec.get("experiments", [])) <= set(MINI["experiments"])


# --- the schema ----------------------------------------------------------------------------------------------------
FREE = ("runs", "experiments", "tables", "datasets", "answerers")  # these hold names of the user's own
OPTIONAL = ("scenes", "pretraining")  # only the embedded world has them


def validate(config: dict[str, Any]) -> None:
    VALIDATOR.validate(config)


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


def test_schema_settings_and_profile_know_the_same_keys() -> None:
    validate(MINI)
    for name, kind in KINDS.items():
        known = {field.name for field in dataclasses.fields(kind)}
        of_schema = SCHEMA["$defs"].get(name, SCHEMA["properties"][name])["properties"]
        assert known == set(of_schema) == set(SCHEMA["properties"][name]["required"]) == set(MINI[name])


def test_the_schema_refuses_an_unknown_key_wherever_it_is_and_names_it() -> None:
    places = [path for path in mappings(MINI) if path not in {(name,) for name in FREE} and path[-1:] != ("options",)]
    assert len(places) > 30
    for path in places:
        config = copy.deepcopy(MINI)
        at(config, path)["typo_key"] = 3
        with pytest.raises(jsonschema.ValidationError) as caught:
            validate(config)
        assert "typo_key" in caught.value.message
        assert list(caught.value.absolute_path) == list(path)


def test_the_schema_refuses_a_missing_key_outside_the_overrides_and_names_it() -> None:
    for path in mappings(MINI):
        if path[:1] and path[0] in FREE:
            continue
        for key in at(MINI, path):
            if key in OPTIONAL:
                continue
            config = copy.deepcopy(MINI)
            del at(config, path)[key]
            with pytest.raises(jsonschema.ValidationError, match=key):
                validate(config)


def test_the_schema_refuses_a_value_of_the_wrong_type() -> None:
    for path in mappings(MINI):
        for key, value in at(MINI, path).items() if path[-1:] != ("options",) else ():  # a method's own
            wrong = [[], {}] if not isinstance(value, (dict, list)) else ["text", 3]
            if isinstance(value, (int, float)):
                wrong += ["3", "1e-3", -1.5] + ([] if isinstance(value, float) else [2.5])
            if isinstance(value, bool):
                wrong += [1, "yes"]
            if key in ("length_penalty",):
                wrong.remove(-1.5)
            for other in wrong:
                config = copy.deepcopy(MINI)
                at(config, path)[key] = other
                assert not VALIDATOR.is_valid(config), f"{path}.{key}: {other!r}"


# --- planning ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what planning reads; weights are empty files."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Snakefile", folder)
    ignored = shutil.ignore_patterns("*.safetensors", "__pycache__")
    for name in ("config", "workflow", "maccap"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for weights in ROOT.glob("maccap/world/weights/*/*.safetensors"):
        (folder / weights.relative_to(ROOT)).touch()
    (folder / "profiles").symlink_to("workflow/profiles")
    for name in ("torch", "transformers", "open_clip"):
        (folder / "stubs" / name).mkdir(parents=True)
        (folder / "stubs" / name / "__init__.py").write_text(f"raise ImportError('planning imports {name}')\n")
    return folder


def plan(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(project / "stubs"), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", *arguments],
        cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def planned_jobs(output: str) -> dict[str, int]:
    """Snakemake's table of jobs, without its total."""
    table = output.split("Job stats:")[1].split("\n\n")[0]
    return {name: int(n) for name, n in re.findall(r"^([a-z_0-9]+)\s+(\d+)$", table, re.MULTILINE) if name != "total"}


def test_planning_needs_neither_torch_nor_a_gpu_and_plans_each_job_once(project: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(project / "stubs")}
    blocked = subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True, check=False)
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
    answerers = {(s["trained"], s["dataset"], name) for s in tables for name in s.get("answerers", [])}
    per_domain = dict.fromkeys(("scenes", "image_features", "gap"), domains)
    single = [f"{step}_{domain}" for domain in MINI["datasets"] for step in ("captions", "evaluate")]
    single += [f"text_features_{domain}_1" for domain in MINI["datasets"]]
    single += [f"predict_{on}_{run}_1" for on, run in runs]
    single += [f"pair_statistics_{on}" for on, run in runs if MINI["runs"][run]["method"] == "close"]
    single += [f"answer_{on}_{about}_{name}_1" for on, about, name in answerers if name != "majority"]
    single += [f"evaluate_answers_{on}_{about}_{name}" for on, about, name in answerers]
    single += ["majority_coco_coco"]
    single += ["gap_figure", "training_figure", "samples", "sample_page", "report", "manifest", "all"]
    assert planned_jobs(run.stdout) == per_domain | {name.replace("-", "_"): 1 for name in single} | {
        "train": len(trained), "table": len(tables), "baselines": len({on for on, tested, e in cells if e == "blind"}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("repeats: 3", "repeats: 3\nrepeat: 3", ["'repeat'"]),
        ("  copies: 10", "  copies: 10\n  copy: 3", ["'copy'", "training"]),
        ("training: {copies: 1}", "training: {copys: 1}", ["'copys'", "copies-1"]),
    ],
    ids=["at the top", "in a section", "in a run's override"],
)
def test_a_typo_in_the_config_stops_planning_and_is_named(
    project: Path, right: str, wrong: str, words: list[str]
) -> None:
    profile = project / "config" / "mini.yaml"
    good = profile.read_text(encoding="utf-8")
    assert good.count(right) == 1
    profile.write_text(good.replace(right, wrong), encoding="utf-8")
    try:
        run = plan(project)
    finally:
        profile.write_text(good, encoding="utf-8")
    assert run.returncode != 0
    assert "Job stats" not in run.stdout
    for word in words:
        assert word in run.stdout


def test_each_step_of_the_workflow_has_its_own_code_as_an_input() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    steps = {}
    for name, body in re.findall(r"^ *rule ?(\w*):\n((?:(?:[ \t].*)?\n)*?)(?=^ *rule|^[^ \n]|\Z)", rules, re.MULTILINE):
        called = re.search(r"""step\(\s*"([a-z-]+)\"""", body)
        assert called, name
        code = re.escape(called[1].replace("-", "_"))
        assert re.search(rf'code\(\s*"{code}"', body), f"rule {name} runs {called[1]} without tracking its code"
        steps[called[1].replace("-", "_")] = name
    library = {path.stem for path in (ROOT / "maccap/steps").glob("[a-z]*.py")}.difference(NOT_STEPS)
    assert set(steps) == library, "a step without a rule, or a rule without its step"


def test_labels_and_notes_of_tables_decide_no_captions_and_no_answers() -> None:
    stages = yaml.safe_load((ROOT / "stages/predict/dvc.yaml").read_text(encoding="utf-8"))["stages"]
    read = {key for stage in stages.values() for keys in stage.get("params", []) for key in keys["config/mini.yaml"]}
    own = {key for key in read if key.startswith(("experiments.", "answerers."))}
    assert {key.split(".")[2] for key in own} == {"run", "decoding", "context", "experiment"}
