"""The whole paper profile on a small stand-in served over HTTP: every rule runs and the tables have the paper's shape.

make test-paper
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from maccap.core.project import read_config
from maccap.metrics.metric_files import read_metrics
from tests.helpers import ROOT
from tests.helpers.stand_in import LEFT_OUT, build, flickr_archive

pytestmark = pytest.mark.paper

NOT_RUN = {"scenes", "contents", "pretrain_clip", "pretrain_lm"}  # the embedded world's own
SPICE = {"corenlp"}  # needs a Java that SPICE runs on


def reduce(profile: dict) -> dict:
    """The profile with the same rows and rules, cut to what a stand-in can bear."""
    profile |= {"reduced": True, "repeats": 2, "gpus": 0}
    profile["spice"] = None
    profile["training"] |= {
        "epochs": 2, "batch_size": 16, "log_every": 2, "validate_every": 5, "checkpoint_every": 5, "copies": 4,
        "queries": 8,
    }  # fmt: skip
    profile["generation"] |= {"beams": 2, "max_new_tokens": 8}
    profile["selection"] |= {"draws": 3}
    profile["answering"] |= {"beams": 2, "max_new_tokens": 4}
    profile["datasets"]["coco"]["shards"] = {"captions": 2, "images": 1}
    profile["datasets"]["cc3m"] |= {"shards": {"captions": 2}, "training": {"epochs": 1}}
    profile["datasets"]["vqav2"]["shards"] = {"images": 2}
    return profile


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the package whose paper profile is reduced and asks a server on loopback for everything."""
    folder = tmp_path_factory.mktemp("paper")
    checkout = folder / "maccap"
    checkout.mkdir()
    for name in ("maccap", "workflow", "config", "Snakefile", "environment.yml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    (checkout / "profiles").symlink_to("workflow/profiles")
    profile = reduce(read_config("paper", ROOT))
    profile["registry"] = str(build(folder, ROOT / profile["registry"]))
    profile["lock"] = str(folder / "assets.lock.json")
    profile["local"] = {"flickr30k-images": str(flickr_archive(folder))}
    (checkout / "config/paper.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
    return checkout


@pytest.fixture(scope="module")
def snakemake(checkout):
    """A function that runs Snakemake in the checkout and gives what it says."""
    handler = partial(SimpleHTTPRequestHandler, directory=checkout.parent / "mirror")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        mirror = f"http://127.0.0.1:{server.server_port}"
        environment = os.environ | {"MACCAP_MIRROR": mirror, "PYTHONPATH": str(checkout), "PATH": path}

        def run(*arguments: str) -> str:
            command = ["snakemake", "--cores", "2", "--configfile", "config/paper.yaml", *arguments]
            done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
            said = done.stdout + done.stderr
            assert done.returncode == 0, said[-6000:]
            return said

        yield run
        server.shutdown()


@pytest.fixture(scope="module")
def plan(snakemake) -> str:
    return snakemake("-n", "all", "extended")


@pytest.fixture(scope="module")
def results(snakemake, checkout, plan) -> Path:
    """The folder of results after the one command."""
    snakemake()
    return checkout / "results/paper"


def test_planning_says_what_it_will_cost_and_has_every_rule(plan, snakemake):
    assert re.search(r"download: [\d.]+ GB", plan)
    assert re.search(r"features on disk: [\d.]+ GB", plan)
    assert re.search(r"GPU time: [\d.]+ h .*not measured", plan)
    assert int(re.search(r"^total +(\d+)", plan, re.M)[1]) > 80
    rules = set(re.findall(r"^(\w+)$", snakemake("--list-rules"), re.M))
    planned = set(re.findall(r"^(\w+) +\d+$", plan, re.M))
    assert rules - planned <= NOT_RUN | SPICE
    assert "all" in planned


def test_the_run_leaves_nothing_to_do(results, snakemake):
    assert "Nothing to be done" in snakemake("-n")


def test_tables_have_the_rows_of_the_paper(results):
    tables = {path.stem: json.loads(path.read_text()) for path in (results / "tables").glob("*.json")}
    settings = {tuple(row["labels"][:1]) for row in tables["cross_domain"]["rows"]}
    arrows = ("CC3M → COCO", "CC3M → Flickr30k", "COCO → Flickr30k", "Flickr30k → COCO")
    assert settings == {(arrow,) for arrow in arrows}
    assert {row["labels"][0] for row in tables["in_domain"]["rows"]} == {"COCO", "Flickr30k"}
    assert len(tables["vqa"]["rows"]) == 4
    for name in ("in_domain", "cross_domain", "ablation"):
        for row in tables[name]["rows"]:
            filled = [column for column, cell in zip(tables[name]["columns"], row["cells"]) if cell]
            assert {"BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "CLIPScore"} <= set(filled), row["labels"]
            assert "SPICE" not in filled
    cider = tables["in_domain"]["columns"].index("CIDEr")
    said = {row["labels"][1].split(" (")[0]: row["cells"][cider]["value"] for row in tables["in_domain"]["rows"]}
    assert min(said[name] for name in ("blind", "human", "MAGIC")) > 1


def test_a_reduced_run_reproduces_nothing_and_notes_say_so(results):
    table = pd.read_csv(results / "tables/reported.csv", dtype=str).fillna("")
    verdicts = table[table["column"] == "verdict"]["text"]
    assert set(verdicts) == {"reduced run", "not run"}
    assert (verdicts == "reduced run").sum() > 50
    assert f"for {12 - LEFT_OUT} of 12 images" in (results / "tables/reported.md").read_text()
    assert "Reduced run" in (results / "tables/reported.md").read_text()
    assert "Reduced run" in (results / "tables/in_domain.md").read_text()


def test_published_predictions_are_scored_on_the_images_they_have(results):
    rows = read_metrics([results / "metrics/captions/coco.jsonl"])
    [magic] = rows[(rows.trained == "coco") & (rows.experiment == "magic") & rows.image_id.isna()].to_dict("records")
    assert (magic["images"], magic["of"]) == (12 - LEFT_OUT, 12)
    notes = (results / "tables/in_domain.md").read_text()
    assert f"MAGIC (published predictions, rescored), COCO: for {12 - LEFT_OUT} of 12 images; never marked." in notes
    assert 0 < magic["CIDEr"] < 300


def test_unpinned_files_are_recorded_and_everything_has_a_past(results, checkout):
    assert {"opt-1.3b", "flan-t5-xl"} <= set(json.loads((checkout.parent / "assets.lock.json").read_text()))
    records = (checkout / "artifacts").rglob("*.prov.json")
    made = set().union(*(json.loads(path.read_text())["outputs"] for path in records))
    assert sum(path.startswith("artifacts/downloads/") for path in made) > 15
    found = {str(p.relative_to(checkout)) for p in (checkout / "artifacts/paper").rglob("*") if p.is_file()}
    assert {path for path in found if not path.endswith(".prov.json")} <= made
