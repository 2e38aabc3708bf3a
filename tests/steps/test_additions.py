"""One more of each kind: in a copy of the package one new file (or only the config) adds it, and the workflow runs it.

A data format is added in tests/data/test_formats.py.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers import ROOT
from tests.helpers.in_process import make_project, small_profile
from tests.helpers.tiny import make_models

METRIC = '''"""How many references an image has, and one more for each word of its caption."""

from ..registry import Metric, SetScores


def score(sets):
    pairs = [zip(of_set.references.captions, of_set.captions) for of_set in sets]
    counts = [[float(len(references) + len(caption.split())) for references, caption in own] for own in pairs]
    return [SetScores({"texts": (sum(own) / len(own), own)}) for own in counts]


METRIC = Metric("texts", ("texts",), 45, score, higher_is_better=False)
'''
METHOD = '''"""A method of ours: CapDec with less noise."""

from ..models.noise import inject_noise
from .capdec import Method as CapDec

NEEDS = ("adaptor",)


class Method(CapDec):
    def training_input(self, batch, generator):
        variance = self.training.noise_variance * self.training.share_of_noise
        return inject_noise(batch.features, variance, generator=generator)
'''
SETTING = '    share_of_noise: float = setting(0.5, "The part of the noise that our method adds.", ge=0)\n'
RUN = "from pathlib import Path; from tests.helpers.in_process import run_all; run_all(Path('.'))"


def profile(clip: Path, opt: Path) -> dict:
    sections = {
        "runs": {"ours": {"method": "ours"}, "scaled": {"method": "ours", "training": {"share_of_noise": 0.1}}},
        "experiments": {
            "ours": {"label": "ours", "run": "ours"}, "scaled": {"label": "scaled", "run": "scaled"},
            "row": {"label": "one more row", "run": "ours", "selection": {"draws": 1}},
        },
        "vqa_methods": {},
        "tables": {
            "more": {
                "title": "More", "kind": "comparison", "pairs": ["daylight-daylight"], "reference": "ours",
                "experiments": ["ours", "scaled", "row"],
            },
        },
    }  # fmt: skip
    return small_profile(
        clip, opt, sections, profile="more", seed=3, repeats=1,
        scenes={"train": 12, "val": 4, "test": 5, "questions": 1},
        datasets={"daylight": {"label": "Daylight", "format": "scenes"}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with one file more for a metric, one for a method, one line for a setting, the rest by config."""
    folder = tmp_path_factory.mktemp("additions")
    models = make_models(folder / "models")
    own = folder / "project"
    shutil.copytree(ROOT / "maccap", own / "maccap", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    (own / "maccap/metrics/caption_metrics/words.py").write_text(METRIC)
    (own / "maccap/methods/ours.py").write_text(METHOD)
    settings = own / "maccap/core/settings.py"
    before = "    memory_gain: float = setting("
    settings.write_text(settings.read_text().replace(before, SETTING + before, 1))
    shutil.copytree(ROOT / "workflow", own / "workflow")
    (own / "docs").mkdir()
    make_project(own, profile(*models))
    python(own, "-m", "maccap.graph.config_page")
    python(own, "-c", RUN)
    return own


def python(folder: Path, *arguments: str) -> None:
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    run = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_metric_is_a_column_of_every_table_with_its_direction(project):
    references = pd.read_json(project / "artifacts/more/data/daylight/captions.test.jsonl", lines=True)
    captions = predictions(project)
    words = captions[captions.experiment == "ours"].caption.str.split().str.len()
    table = pd.read_csv(project / "results/more/tables/more.csv")
    texts = table[table.column == "texts"].set_index("variant").value
    assert list(texts.index) == ["ours", "scaled", "one more row"]
    assert texts["ours"] == pytest.approx(references.groupby("image_id").size().mean() + words.mean(), abs=1e-3)
    assert "Lower is better: texts." in (project / "results/more/tables/more.md").read_text()


def predictions(project: Path) -> pd.DataFrame:
    files = (project / "artifacts/more/predictions/daylight").glob("*.jsonl.gz")
    return pd.concat(pd.read_json(path, lines=True).assign(file=path.name) for path in files)


def test_a_row_is_only_config_and_shares_its_run(project):
    found = predictions(project)
    assert set(found[found.file == "ours.1.jsonl.gz"].experiment) == {"ours", "row"}
    assert sorted(path.parent.name for path in (project / "artifacts/more/runs").rglob("s3")) == ["ours", "scaled"]


def test_a_method_is_trained_with_a_setting_that_its_run_changes_and_that_explains_itself(project):
    shares = {
        name: json.loads(next((project / f"artifacts/more/runs/daylight/{name}").rglob("run.json")).read_text())
        for name in ("ours", "scaled")
    }
    assert [shares[name]["training"]["share_of_noise"] for name in shares] == [0.5, 0.1]
    assert "`share_of_noise`" in (project / "docs/config.md").read_text()
