"""The package alone, as a wheel: what is in it, that it works from any folder, its pins and what it says of itself."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

import maccap
from maccap import __version__
from maccap.core.artifacts import sha256
from maccap.core.records import read_record
from maccap.world.drawing import draw
from maccap.world.scene_files import write_world
from maccap.world.scenes import scenes
from tests.helpers import ROOT

DOMAINS = ("daylight", "chalk")
RUN = Path("artifacts/world/runs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of the sources, so that nothing is left in the checkout."""
    sources = tmp_path_factory.mktemp("sources")
    shutil.copytree(ROOT / "maccap", sources / "maccap", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    code = "import sys; from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    built = subprocess.run([sys.executable, "-c", code], cwd=sources, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return sources / built.stdout.splitlines()[-1]


def test_the_wheel_has_all_files_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("maccap/")}
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "maccap"]
    tracked = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split()
    assert packed == {name for name in tracked if (ROOT / name).exists()}
    assert wheel.stat().st_size < 20_000_000


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_shipped_run_is_the_one_of_the_results(domain):
    shipped = ROOT / "maccap/world/runs" / domain
    for name in ("adaptor.safetensors", "run.json"):
        made = f"{RUN}/{domain}/maccap/s2401/{name}"
        record = read_record(ROOT / f"{made}.prov.json")
        assert sha256(shipped / name) == record.outputs[made].sha256, "run `make ship`"
        assert read_record(shipped / f"{name}.prov.json") == record, "run `make ship`"
    assert (shipped / "adaptor.safetensors").stat().st_size < 5_000_000


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_shipped_run_captions_scenes_of_its_domain_better_than_chance(domain):
    """Most captions name something that is in the scene; beside other scenes fewer than half of them do."""
    drawn = [(scene, draw(scene, rng)) for scene, rng in scenes(domain, "test", 8, seed=5)]
    run = maccap.load_run() if domain == "daylight" else maccap.load_run(domain)
    said = [caption.text for caption in run.caption([image for _, image in drawn])]
    right = [[any(group.noun in text for group in scene.groups) for scene, _ in drawn] for text in said]
    own = np.eye(len(said), dtype=bool)
    assert np.array(right)[own].mean() > 0.6
    assert np.array(right)[~own].mean() < 0.5


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The program of a new environment that has the wheel, and the libraries of this one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    install = [place / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    (own,) = place.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return place / "bin/maccap"


@pytest.mark.slow
def test_an_installed_package_works_from_any_folder(installed, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    python = installed.with_name("python")
    assert run(python, "-c", "import maccap; print(maccap.__file__)").startswith(str(installed.parents[1]))
    assert run(installed, "--version") == f"maccap {maccap.__version__}\n"
    write_world(tmp_path / "world", "daylight", {"train": 1, "val": 4, "test": 8}, 1, seed=5)
    with zipfile.ZipFile(tmp_path / "world/images.zip") as archive:
        archive.extractall(tmp_path)
    [row] = json.loads(run(installed, "caption", next(tmp_path.rglob("*.jpg"))))
    assert len(row["candidates"]) == 4
    captions = [
        {"caption_id": 5 * image["cocoid"] + n, "image_id": image["cocoid"], "caption": sentence["raw"],
         "split": "test", "file_name": f"{image['filepath']}/{image['filename']}"}
        for image in json.loads((tmp_path / "world/dataset.json").read_text())["images"]
        if image["split"] == "test"
        for n, sentence in enumerate(image["sentences"])
    ]  # fmt: skip
    (tmp_path / "captions.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in captions))
    run(
        installed, "gap", "--model", "maccap/world/weights/clip-scenes", "--captions", "captions.jsonl",
        "--images", "world/images.zip", "--output", "gap",
    )  # fmt: skip
    assert "global" in (tmp_path / "gap/tables/nearness.md").read_text()


def pins() -> list[str]:
    return [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]


def test_every_package_that_the_project_names_is_pinned_exactly_for_pip_and_conda():
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[^ ]+", pin) for pin in pins())
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip == pins()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["workflow"], *extras["test"]]
    pinned = {re.split(r"\[|==", pin)[0].lower().replace("_", "-") for pin in pins()}
    assert {re.split(r"[\[>=]", name)[0].lower().replace("_", "-") for name in named} <= pinned


def test_shipped_models_are_small_safetensors_with_a_card():
    for name, file in (("clip-scenes", "open_clip_model.safetensors"), ("opt-scenes", "model.safetensors")):
        folder = ROOT / "maccap" / "world" / "weights" / name
        assert (folder / file).stat().st_size < 8_000_000
        assert "Licence" in (folder / "README.md").read_text()


def test_all_papers_of_the_package_agree():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    meta = json.loads((ROOT / "codemeta.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [paper], article = cff["references"], meta["referencePublication"]
    assert cff["version"] == meta["version"] == __version__
    assert cff["title"] == meta["name"]
    assert meta["description"] == project["description"]
    assert meta["license"].endswith(f"/{cff['license']}")
    assert cff["license"] == project["license"] == (ROOT / "LICENSE").read_text().split()[0]
    assert meta["runtimePlatform"] == f"Python {project['requires-python']}"
    assert cff["authors"] == project["authors"] == [{"name": author["name"]} for author in meta["author"]]
    assert paper["title"] == article["name"]
    assert str(paper["year"]) == article["datePublished"]
    assert article["@id"] == project["urls"]["Publication"] == f"https://doi.org/{paper['doi']}"
    assert paper["identifiers"][0]["value"].removeprefix("arXiv:") == project["urls"]["Paper"].rpartition("/")[2]
    people = [(author["given-names"], author["family-names"]) for author in paper["authors"]]
    assert people == [(author["givenName"], author["familyName"]) for author in article["author"]]


def test_the_check_on_github_is_the_whole_check():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
