"""Runs and experiments with fewer seeds than the profile: which jobs are planned, and which a change reaches."""

import copy
from contextlib import chdir
from pathlib import Path

import pytest

from maccap.graph.snakemake_graph import GraphJob, read_graph
from tests.helpers.in_process import make_project, small_profile
from tests.helpers.tiny import make_models

SHOWN = {("report", ""), ("manifest", "")}  # the config is shown, whatever it says


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> dict:
    """Three seeds; `light` and `blind` have one of them, the run `capdec` two."""
    sections = {
        "runs": {"maccap": {"method": "maccap"}, "capdec": {"method": "capdec", "repeats": 2}},
        "experiments": {
            "maccap": {"label": "MacCap", "run": "maccap"},
            "light": {"label": "light", "run": "maccap", "repeats": 1},
            "capdec": {"label": "CapDec", "run": "capdec"},
            "blind": {"label": "blind", "repeats": 1}, "human": {"label": "human"},
        },
        "vqa_methods": {
            "prefix": {"label": "prefix", "context": "prefix", "experiment": "light"},
            "majority": {"label": "majority", "context": "majority"},
        },
        "tables": {
            "in_domain": {
                "title": "In-domain", "kind": "captions", "pairs": ["daylight-daylight"], "reference": "maccap",
                "experiments": ["maccap", "light", "capdec", "blind", "human"],
            },
            "vqa": {
                "title": "VQA", "kind": "vqa", "trained": "daylight", "dataset": "daylight",
                "vqa_methods": ["prefix", "majority"],
            },
            **dict.fromkeys(("nearness", "gap", "gap_repairs", "instruments")),
        },
    }  # fmt: skip
    return small_profile(
        *make_models(tmp_path_factory.mktemp("models")), sections, profile="small", seed=5, repeats=3,
        scenes={"train": 12, "val": 4, "test": 6, "questions": 2},
        datasets={"daylight": {"label": "Daylight", "format": "scenes"}},
    )  # fmt: skip


def planned(folder: Path, profile: dict) -> dict[tuple[str, str], GraphJob]:
    """The jobs by step and what they are about."""
    make_project(folder, profile)
    with chdir(folder):
        return {(job.step, " ".join(filter(None, job.wildcards))): job for job in read_graph("small").jobs}


@pytest.fixture(scope="module")
def plan(tmp_path_factory, profile) -> dict[tuple[str, str], GraphJob]:
    return planned(tmp_path_factory.mktemp("plan"), profile)


def seeds_in(paths: list[str]) -> list[int]:
    return [int(path.split("/")[-2][1:]) for path in paths if path.endswith(("adaptor.safetensors", "run.json"))]


def test_each_job_has_the_seeds_of_its_run_or_experiments(plan):
    for run, seeds in (("maccap", [5, 6, 7]), ("capdec", [5, 6])):
        for step in ("train", "describe_run"):
            jobs = [plan[key] for key in plan if key[0] == step and key[1].startswith(f"daylight {run} ")]
            assert [(job.settings["run_seed"], seeds_in(job.outputs)) for job in jobs] == [(s, [s]) for s in seeds]
        assert seeds_in(plan["predict", f"daylight {run} 1"].named["adaptors"]) == seeds
    about = {key: job.settings.get("fewer_repeats") for key, job in plan.items() if "repeats" in job.settings}
    assert about["predict", "daylight maccap 1"] == {"light": 1}
    assert about["predict", "daylight capdec 1"] is None
    assert about["baselines", "daylight"] == {"blind": 1}
    answer = plan["answer", "daylight daylight prefix 1"]
    assert (seeds_in(answer.named["adaptors"]), answer.settings["repeats"]) == ([5], 1)


def test_one_experiment_a_job_has_the_adaptors_of_its_own_seeds(tmp_path, profile):
    light = planned(tmp_path, profile | {"predictions": "experiment"})["predict", "daylight light 1"]
    assert (seeds_in(light.named["adaptors"]), light.settings["repeats"]) == ([5], 1)
    assert "fewer_repeats" not in light.settings


def trained(run: str, seed: int) -> set[tuple[str, str]]:
    return {(step, f"daylight {run} {seed}") for step in ("train", "describe_run")}


@pytest.mark.parametrize(
    ("place", "repeats", "reached"),
    [
        ((), 4, trained("maccap", 8) | {("predict", "daylight maccap 1"), ("baselines", "daylight"), ("figure", ""),
                                        ("majority", "daylight daylight majority")}),
        (("runs", "capdec"), 3, trained("capdec", 7) | {("predict", "daylight capdec 1"), ("figure", "")}),
        (("runs", "capdec"), 1, {("predict", "daylight capdec 1"), ("figure", "")}),
        (("experiments", "light"), 2, {("predict", "daylight maccap 1"), ("answer", "daylight daylight prefix 1")}),
        (("experiments", "human"), 2, {("baselines", "daylight")}),
        (("runs", "maccap"), 3, set()),
        (("experiments", "maccap"), 3, set()),
    ],
    ids=["the profile", "a run", "a run lowered", "an experiment", "a baseline", "a run's default",
         "an experiment's default"],
)  # fmt: skip
def test_a_change_reaches_its_own_jobs_and_the_default_none(tmp_path, profile, plan, place, repeats, reached):
    """New jobs are reached, too; a run's seeds that stay are not trained again, whether others come or go."""
    changed = copy.deepcopy(profile)
    about = changed
    for name in place:
        about = about[name]
    about["repeats"] = repeats
    again = planned(tmp_path, changed)
    old, new = ({key: (job.settings, job.named, job.outputs) for key, job in jobs.items()} for jobs in (plan, again))
    assert {key for key in new if new[key] != old.get(key)} - SHOWN == reached
