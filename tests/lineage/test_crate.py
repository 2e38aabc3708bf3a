"""The crate of the small project: whole, true, closed, the same bytes each time, and accepted by others' tools."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pytest

from maccap.cli.main import main
from maccap.core.artifacts import read_json, sha256
from maccap.core.errors import DataError, EnvironmentProblem
from maccap.core.job import Job
from maccap.core.records import MADE_IN, OutputFile, now, read_record, write_record
from maccap.lineage.crate import write_crate
from tests.helpers import ROOT
from tests.helpers.small_project import ADAPTOR, DATA, METRICS, PREDICTIONS, SEEDS, TABLES

CONTEXTS = ROOT / "tests/helpers/golden/contexts"
PROFILE = "provenance-run-crate"


@pytest.fixture(scope="module")
def crate(finished) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        assert main(["crate", "--profile", "small"]) == 0
    return finished / "results/small/crate.zip"


@pytest.fixture(scope="module")
def graph(crate) -> dict[str, dict]:
    return entities_of(crate)


def entities_of(crate: Path) -> dict[str, dict]:
    with zipfile.ZipFile(crate) as archive:
        entities = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    assert len({entity["@id"] for entity in entities}) == len(entities)
    return {entity["@id"]: entity for entity in entities}


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
    return [read_json(path) for folder in MADE_IN for path in (project / folder).rglob("*.prov.json")]


def sources(record: dict) -> dict[str, str]:
    return {path: digest for files in record["inputs"].values() for path, digest in files.items()}


def test_each_job_has_one_action_with_its_inputs_outputs_times_and_settings(finished, graph):
    own = records(finished)
    actions = {action["description"]: action for action in of_type(graph, "CreateAction") if action["@id"] != "#run"}
    assert len(actions) == len(own)
    for record in own:
        action = actions[record["command"]]
        assert {file["name"] for file in named(graph, action, "result")} == set(record["outputs"])
        used = named(graph, action, "object")
        files = {entity["name"]: entity["sha256"] for entity in used if "File" in listed(entity["@type"])}
        assert files == sources(record)
        values = {entity["name"]: entity["value"] for entity in used if entity["@type"] == "PropertyValue"}
        plain = {key: value for key, value in record["settings"].items() if isinstance(value, str | int)}
        assert plain.items() <= values.items()
        times = [record[key].replace("Z", "+00:00") for key in ("started", "ended")]
        assert [action["startTime"], action["endTime"]] == times
        assert listed(named(graph, action, "instrument")[0]["@type"]) == ["File", "SoftwareSourceCode"]


def test_seeds_are_formal_parameters_also_those_of_single_runs(graph):
    assert graph["#parameter/seed"]["additionalType"] == "Integer"
    seeds = [entity for entity in of_type(graph, "PropertyValue") if entity["name"] == "run_seed"]
    assert sorted(entity["value"] for entity in seeds) == list(SEEDS)
    assert {reference for seed in seeds for reference in references(seed["exampleOfWork"])} == {"#parameter/run_seed"}


def test_the_engine_controls_every_job_through_the_step_that_it_ran(graph):
    (organisation,) = of_type(graph, "OrganizeAction")
    controls = named(graph, organisation, "object")
    controlled = [reference for control in controls for reference in references(control["object"])]
    assert sorted(controlled) == sorted(a["@id"] for a in of_type(graph, "CreateAction") if a["@id"] != "#run")
    for control in controls:
        (step,), (action,) = named(graph, control, "instrument"), named(graph, control, "object")
        assert references(step["workExample"]) == references(action["instrument"])
    assert set(references(graph["Snakefile"]["step"])) == {step["@id"] for step in of_type(graph, "HowToStep")}


def test_every_file_is_described_with_its_true_hash_and_size(finished, crate, graph):
    described = {unquote(entity["@id"]): entity for entity in of_type(graph, "File")}
    with zipfile.ZipFile(crate) as archive:
        carried = {name: archive.read(name) for name in archive.namelist()}
    del carried["ro-crate-metadata.json"], carried["crate.sha256"]
    assert set(carried) == {name for name in described if not name.startswith("#")}
    for name, entity in described.items():
        content = carried[name] if name in carried else (finished / name.removeprefix("#")).read_bytes()
        assert entity["sha256"] == hashlib.sha256(content).hexdigest(), name
        assert entity["contentSize"] == str(len(content)), name
        assert "/" in entity["encodingFormat"]


def test_what_computes_the_metrics_is_carried_and_what_is_large_is_not(finished, crate):
    names = set(zipfile.ZipFile(crate).namelist())
    results = [record for record in records(finished) if record["command"].startswith("maccap step --again results/")]
    made = {path for record in results for path in record["outputs"]}
    read = {path for record in results for path in sources(record)}
    assert made | {path for path in read if not path.startswith("models/")} <= names
    assert {str(path.relative_to(finished)) for path in finished.rglob("*.prov.json")} <= names
    assert {"maccap/cli/main.py", "config/small.yaml", "LICENSE", f"{DATA}/daylight/dataset.json"} <= names
    assert not {f"{DATA}/daylight/images.zip", ADAPTOR, *(path for path in names if path.startswith("models/"))} & names
    assert {name for name in names if name.endswith(".safetensors")} <= read


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


def test_the_root_tells_what_when_whose_and_after_which_profiles(finished, graph):
    root = graph["./"]
    ended = [datetime.fromisoformat(record["ended"]) for record in records(finished)]
    assert root["datePublished"] == max(ended).isoformat()  # as text, `37Z` would come after `37.058Z`
    assert references(root["license"]) == ["https://spdx.org/licenses/MIT"]
    assert [author["name"] for author in named(graph, root, "author")] == ["The maccap authors"]
    (paper,) = named(graph, root, "citation")
    assert paper["@id"] == "https://doi.org/10.1609/aaai.v38i5.28260"
    assert len(named(graph, paper, "author")) == 3
    assert {name.rsplit("/", 1)[1] for name in references(root["conformsTo"])} == {"0.5", "1.0"}
    assert "none of its numbers counts" in root["description"]


def test_equal_results_give_equal_bytes_and_a_folder_holds_the_same_files(crate, copy):
    with open("maccap/cli/main.py", "a") as file:
        file.write("# edited later: sources are those of the commit\n")
    write_crate("small", Path("again.zip"))
    assert Path("again.zip").read_bytes() == crate.read_bytes()
    write_crate("small", Path("folder"))
    archive = zipfile.ZipFile(crate)
    files = {path.relative_to("folder").as_posix(): path for path in Path("folder").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == {n: archive.read(n) for n in archive.namelist()}
    assert not [path for path in Path().iterdir() if path.name.startswith((".again", ".folder"))]
    assert main(["crate", "--profile", "small", "--output", "folder"]) == 2


def test_a_crate_is_not_written_over_what_it_holds(copy):
    before = Path(f"{DATA}/daylight/images.zip").read_bytes()
    with pytest.raises(DataError, match=r"images\.zip: would be written over"):
        write_crate("small", Path(f"{DATA}/daylight/images.zip"))
    assert Path(f"{DATA}/daylight/images.zip").read_bytes() == before


def test_no_crate_is_made_where_files_that_belong_into_it_are_absent(fresh):
    with pytest.raises(DataError, match="is not here; make the crate in the checkout where all jobs ran"):
        write_crate("small", Path("crate.zip"))


def test_a_download_has_its_licence_citation_and_addresses(copy):
    """A download as the rule records it, read by the job that wrote the caption tables."""
    path = Path("artifacts/downloads/karpathy/caption_datasets.zip")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"captions")
    write_record("download", Job({}, [path], {"asset.name": "karpathy-splits"}), now())
    record = f"{DATA}/daylight/captions.test.jsonl.prov.json"
    content = read_record(record)
    read = content.inputs | {"splits": {str(path): sha256(path)}}
    own = read_record(f"{path}.prov.json").model_copy(update={"code": content.code})  # made by the same commit
    Path(f"{path}.prov.json").write_text(own.text())
    Path(record).write_text(content.model_copy(update={"inputs": read}).text())
    write_crate("small", Path("crate.zip"))
    assert str(path) not in zipfile.ZipFile("crate.zip").namelist()
    graph = entities_of(Path("crate.zip"))
    file = graph[f"#{path}"]
    assert file["url"] == "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
    assert "COCO (CC BY 4.0)" in named(graph, file, "license")[0]["name"]
    assert "Karpathy and Fei-Fei" in named(graph, file, "citation")[0]["name"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda: Path(TABLES["ablation"]).write_text("90 %"), r"ablation\.json: changed since its job wrote it"),
        (lambda: shutil.rmtree("results"), r"results/small: the results are not finished; run `snakemake"),
        (lambda: shutil.rmtree(".git"), r"is not in this checkout"),
        (lambda: shutil.copy(f"{PREDICTIONS}.prov.json", f"{METRICS['daylight']}.prov.json"),
         r"daylight\.jsonl\.prov\.json: is the record of another file"),
        (lambda: Path(f"{PREDICTIONS}.prov.json").write_text("{}"), r"maccap\.jsonl\.gz\.prov\.json: not a record"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_named_and_nothing_is_written(copy, spoil, message):
    spoil()
    with pytest.raises((DataError, EnvironmentProblem), match=message):
        write_crate("small", Path("crate.zip"))
    assert not Path("crate.zip").exists()


def test_jobs_that_read_different_bytes_of_one_file_are_named(copy):
    record = read_record(f"{PREDICTIONS}.prov.json")
    other = {PREDICTIONS: OutputFile(sha256="0" * 64, size=1)}
    Path(record.path).write_text(record.model_copy(update={"outputs": other}).text())
    with pytest.raises(DataError, match=r"maccap\.jsonl\.gz: changed after the job of \S+ ran"):
        write_crate("small", Path("crate.zip"))


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
