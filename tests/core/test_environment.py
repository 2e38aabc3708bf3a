"""The pins in their two forms, and what the package says of itself."""

import json
import re
import tomllib

import yaml

from maccap import __version__
from tests.helpers import ROOT


def pins() -> list[str]:
    return [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]


def test_every_line_of_the_lock_is_an_exact_pin():
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[^ ]+", pin) for pin in pins())


def test_conda_installs_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip == pins()


def test_torch_and_torchvision_are_a_matching_pair():
    versions = dict(pin.split("==") for pin in pins())
    assert (versions["torch"], versions["torchvision"]) == ("2.14.1", "0.29.2")


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


def test_every_package_that_the_project_names_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *extras["workflow"], *extras["test"]]
    pinned = {re.split(r"\[|==", pin)[0].lower().replace("_", "-") for pin in pins()}
    assert {re.split(r"[\[>=]", name)[0].lower().replace("_", "-") for name in named} <= pinned


def test_the_check_on_github_is_the_whole_check():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
