"""The crate of the miniature world: whole, true, closed, the same bytes each time, and accepted by others' tools."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

from maccap.cli.main import main
from maccap.core import artifacts
from maccap.core.artifacts import provenance_path, read_json, write_json
from maccap.core.errors import DataError
from maccap.lineage import crate_payload as payload
from maccap.lineage.crate import write_crate
from tests.helpers import ROOT
from tests.helpers.checkout import commit_everything, copy_sources
from tests.helpers.tiny import make_models
from tests.steps.test_pipeline import SEEDS, config, run_everything

CONTEXTS = ROOT / "tests/helpers/golden/contexts"
PROFILE = "provenance-run-crate"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A repository with this project's sources, and the miniature world's results made by its commit."""
    folder = tmp_path_factory.mktemp("project")
    copy_sources(folder)
    code = commit_everything(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(artifacts, "code_version", lambda: code)
        run_everything(Path(), config(*make_models(Path("models"))))
    return folder


@pytest.fixture(scope="module")
def crate(project) -> Path:
    """The crate, as the command writes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert main(["crate", "--profile", "mini"]) == 0
    return project / "results/mini/crate.zip"


@pytest.fixture(scope="module")
def graph(crate) -> dict[str, dict]:
    with zipfile.ZipFile(crate) as archive:
        entities = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    assert len({entity["@id"] for entity in entities}) == len(entities)
    return {entity["@id"]: entity for entity in entities}


@pytest.fixture
def copy(project, tmp_path, monkeypatch) -> Path:
    """A copy of the project to spoil, as the current folder."""
    shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("crate.zip"))
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def references(value) -> list[str]:
    """Every `@id` that a property's value refers to."""
    return [item["@id"] for item in listed(value) if isinstance(item, dict)]


def of_type(graph: dict[str, dict], kind: str) -> list[dict]:
    return [entity for entity in graph.values() if kind in listed(entity["@type"])]


def named(graph: dict[str, dict], action: dict, key: str) -> list[dict]:
    return [graph[reference] for reference in references(action.get(key, []))]


def records(project: Path) -> list[dict]:
    return [read_json(path) for path in project.rglob("*.prov.json")]


def test_each_job_has_one_action_with_its_inputs_outputs_times_and_parameters(project, graph):
    jobs = {}
    for record in records(project):
        jobs.setdefault((record["command"], record["started"]), []).append(record)
    assert len(of_type(graph, "CreateAction")) == len(jobs) + 1
    actions = {(action["description"], action["startTime"]): action for action in of_type(graph, "CreateAction")}
    for job, outputs in jobs.items():
        action = actions[job]
        assert {file["name"] for file in named(graph, action, "result")} == {record["artifact"] for record in outputs}
        used = named(graph, action, "object")
        files = {entity["name"]: entity["sha256"] for entity in used if "File" in listed(entity["@type"])}
        assert files == outputs[0]["inputs"]
        values = {entity["name"]: entity["value"] for entity in used if entity["@type"] == "PropertyValue"}
        plain = {key: value for key, value in outputs[0]["parameters"].items() if value is not None}
        assert plain.items() <= values.items()
        assert action["endTime"] == max(record["ended"] for record in outputs)
        assert listed(named(graph, action, "instrument")[0]["@type"]) == ["File", "SoftwareSourceCode"]


def test_the_page_of_samples_is_inside_with_what_its_job_read(crate):
    with zipfile.ZipFile(crate) as archive:
        assert {"results/mini/samples.html", "artifacts/mini/samples.json"} <= set(archive.namelist())


def test_seeds_are_formal_parameters_and_each_run_names_its_own(graph):
    assert graph["#parameter/seed"]["additionalType"] == "Integer"
    seeds = [entity for entity in of_type(graph, "PropertyValue") if entity["name"] == "run.seed"]
    assert sorted(entity["value"] for entity in seeds) == list(SEEDS)
    assert {reference for seed in seeds for reference in references(seed["exampleOfWork"])} == {"#parameter/run.seed"}
    for seed in SEEDS:
        adaptor = graph[f"#artifacts/mini/runs/coco/maccap/s{seed}/adaptor.safetensors"]
        assert [entity["value"] for entity in named(graph, adaptor, "additionalProperty")] == [seed]


def test_the_engine_controls_every_job_through_the_step_of_its_command(graph):
    (organisation,) = of_type(graph, "OrganizeAction")
    controls = named(graph, organisation, "object")
    controlled = [reference for control in controls for reference in references(control["object"])]
    assert sorted(controlled) == sorted(a["@id"] for a in of_type(graph, "CreateAction") if a["@id"] != "#run")
    for control in controls:
        (step,), (action,) = named(graph, control, "instrument"), named(graph, control, "object")
        assert references(step["workExample"]) == references(action["instrument"])
    assert set(references(graph["Snakefile"]["step"])) == {step["@id"] for step in of_type(graph, "HowToStep")}


def test_every_file_is_described_with_its_true_hash_and_size(project, crate, graph):
    described = {unquote(entity["@id"]): entity for entity in of_type(graph, "File")}
    with zipfile.ZipFile(crate) as archive:
        carried = {name: archive.read(name) for name in archive.namelist()}
    del carried["ro-crate-metadata.json"], carried["crate.sha256"]
    assert set(carried) == {name for name in described if not name.startswith("#")}
    for name, entity in described.items():
        content = carried[name] if name in carried else (project / name.removeprefix("#")).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest(), name
        assert entity["contentSize"] == str(len(content)), name
        assert "/" in entity["encodingFormat"]


def test_what_computes_the_metrics_is_carried_and_what_is_large_is_not(project, crate):
    names = set(zipfile.ZipFile(crate).namelist())
    results = [record for record in records(project) if record["artifact"].startswith("results/")]
    assert {record["artifact"] for record in results} | {p for r in results for p in r["inputs"]} <= names
    assert {str(provenance_path(record["artifact"])) for record in records(project)} <= names
    assert {
        "artifacts/mini/runs/coco/maccap/s11/run.json",
        "maccap/cli/main.py",
        "config/mini.yaml",
        "LICENSE",
    } <= names
    assert "artifacts/mini/data/coco/images.zip" not in names
    stores = {name for name in names if name.endswith(".safetensors")}
    assert stores <= {path for record in results for path in record["inputs"]}


def test_the_graph_is_closed_and_all_of_it_can_be_reached(graph):
    for entity in graph.values():
        for key, value in entity.items():
            for reference in references(value) if key not in ("@id", "@type") else []:
                assert reference in graph or (entity["@id"], key) == ("ro-crate-metadata.json", "conformsTo"), reference
    reached, todo = set(), ["ro-crate-metadata.json"]
    while todo:
        name = todo.pop()
        if name in graph and name not in reached:
            reached.add(name)
            todo += [reference for value in graph[name].values() for reference in references(value)]
    assert reached == set(graph)


def test_the_root_tells_what_when_whose_and_after_which_profiles(project, graph):
    root = graph["./"]
    assert root["datePublished"] == max(record["ended"] for record in records(project))
    assert references(root["license"]) == ["https://spdx.org/licenses/MIT"]
    assert [author["name"] for author in named(graph, root, "author")] == ["The maccap authors"]
    (paper,) = named(graph, root, "citation")
    assert paper["@id"] == "https://doi.org/10.1609/aaai.v38i5.28260"
    assert len(named(graph, paper, "author")) == 3
    assert {name.rsplit("/", 1)[1] for name in references(root["conformsTo"])} == {"0.5", "1.0"}
    assert "none of its numbers counts" in root["description"]


def test_equal_results_give_equal_bytes_and_a_folder_holds_the_same_files(crate, copy):
    write_crate("mini", Path("again.zip"))
    assert Path("again.zip").read_bytes() == crate.read_bytes()
    write_crate("mini", Path("folder"))
    archive = zipfile.ZipFile(crate)
    files = {path.relative_to("folder").as_posix(): path for path in Path("folder").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == {n: archive.read(n) for n in archive.namelist()}
    assert not [path for path in Path().iterdir() if path.name.startswith((".again", ".folder"))]
    assert main(["crate", "--profile", "mini", "--output", "folder"]) == 2


def test_sources_are_those_of_the_commit(crate, copy):
    with open("maccap/cli/main.py", "a") as file:
        file.write("# edited later\n")
    write_crate("mini", Path("again.zip"))
    assert Path("again.zip").read_bytes() == crate.read_bytes()


def test_a_download_has_its_licence_citation_and_addresses(copy):
    """A download as the rule records it, read by the job that wrote the caption tables."""
    path = "artifacts/downloads/karpathy/caption_datasets.zip"
    Path(path).parent.mkdir(parents=True)
    Path(path).write_bytes(b"captions")
    scenes = read_json("artifacts/mini/data/coco/dataset.json.prov.json")
    about = {
        "command": "maccap download --output " + path,
        "parameters": {"asset.name": "karpathy-splits"},
        "inputs": {},
    }
    own = scenes | about | {"artifact": path, "sha256": artifacts.sha256(path)}
    write_json(provenance_path(path), own)
    for record in Path("artifacts/mini/data/coco").glob("captions.*.prov.json"):
        content = read_json(record)
        write_json(record, content | {"inputs": content["inputs"] | {path: own["sha256"]}})
    images = Path("artifacts/mini/data/coco/images.jsonl.prov.json")
    write_json(images, read_json(images) | {"inputs": content["inputs"] | {path: own["sha256"]}})
    write_crate("mini", Path("crate.zip"))
    archive = zipfile.ZipFile("crate.zip")
    assert path not in archive.namelist()
    graph = {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    file = graph["#" + path]
    assert file["url"] == "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
    assert "COCO (CC BY 4.0)" in named(graph, file, "license")[0]["name"]
    assert "Karpathy and Fei-Fei" in named(graph, file, "citation")[0]["name"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: Path("results/mini/tables/vqa.md").write_text("90 %"), r"vqa\.md: changed since its job wrote it"),
        (lambda: shutil.rmtree("results"), r"results/mini: no results; run `snakemake"),
        (lambda: shutil.rmtree(".git"), r"is not in this checkout"),
        (
            lambda: shutil.copy("results/mini/tables/vqa.md.prov.json", "results/mini/tables/gap.md.prov.json"),
            r"gap\.md\.prov\.json: is the record of another file",
        ),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_named_and_nothing_is_written(copy, spoil, message):
    spoil()
    with pytest.raises((DataError, payload.EnvironmentProblem), match=message):
        write_crate("mini", Path("crate.zip"))
    assert not Path("crate.zip").exists()


def test_jobs_that_read_different_bytes_of_one_file_are_named(copy):
    name = Path("artifacts/mini/data/coco/captions.test.jsonl.prov.json")
    write_json(name, read_json(name) | {"sha256": "0" * 64})
    with pytest.raises(DataError, match=r"captions\.test\.jsonl: changed after \S+ was made"):
        write_crate("mini", Path("crate.zip"))


def executable(variable: str, name: str, package: str) -> str:
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        pytest.skip(f"needs {name}: `pipx install {package}`, or name the program in {variable}")
    return found


def test_the_official_validator_finds_every_requirement_met(crate, tmp_path):
    validator = executable("MACCAP_ROCRATE_VALIDATOR", "rocrate-validator", "roc-validator")
    interpreter = Path(validator).read_text().splitlines()[0].removeprefix("#!")
    subprocess.run([interpreter, CONTEXTS / "warm.py", tmp_path / "cache"], check=True)
    options = ["--offline", "--cache-path", tmp_path / "cache", "--requirement-severity", "REQUIRED", "--verbose"]
    report = tmp_path / "report.txt"
    command = [validator, "--no-interactive", "validate", "--profile-identifier", PROFILE, *options]
    run = subprocess.run([*command, "--output-file", report, crate], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr + (report.read_text() if report.exists() else "")
    assert "valid provenance-run-crate-0.5" in report.read_text()


def test_runcrate_reads_every_action(crate, graph):
    runcrate = executable("MACCAP_RUNCRATE", "runcrate", "runcrate")
    run = subprocess.run([runcrate, "report", crate], capture_output=True, text=True, check=True)
    actions = [line.removeprefix("action: ") for line in run.stdout.splitlines() if line.startswith("action: ")]
    assert sorted(actions) == sorted(action["@id"] for action in of_type(graph, "CreateAction"))
    assert run.stdout.count("  step: #step/") == len(actions) - 1
