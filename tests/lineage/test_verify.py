"""`maccap verify` on finished results: nothing to say of them as they are, every flipped byte and forged record named.

The quick tests finish a small world in process, without Java; those marked `drivers` let Snakemake and DVC finish one.
"""

import json
import os
import random
import shlex
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from maccap.cli.main import main
from maccap.core.artifacts import provenance_path, read_json, sha256, write_json
from maccap.lineage.crate_payload import listing
from maccap.lineage.snakemake_records import record_path
from maccap.lineage.verify import opened, verify
from maccap.lineage.verify_code import code, config
from maccap.lineage.verify_crate import crate
from maccap.lineage.verify_drivers import dvc_lock, snakemake
from maccap.lineage.verify_files import artifacts, inputs, manifest, records
from maccap.lineage.verify_numbers import numbers
from maccap.lineage.verify_project import Finding, Outcome, Project
from maccap.lineage.verify_rerun import rerun
from tests.helpers.checkout import ROOT, Checkout, commit_everything, copy_sources, make_checkout

CONFIG = {
    "profile": "small", "reduced": True, "seed": 5, "repeats": 2,
    "scenes": {"train": 12, "val": 2, "test": 6, "questions": 2},
    "datasets": {"coco": {"label": "COCO", "format": "scenes"}},
    "answerers": {"majority": {"label": "blind: ↑ majority", "context": "majority"}},
    "tables": {name: {"title": name, "kind": name} for name in ("vqa", "vqa_types")},
}  # fmt: skip
DATA, RESULTS = "artifacts/small/data/coco", "results/small"


def named(findings: Iterable[Finding], file: str) -> bool:
    return any(file == finding.file or file in finding.problem for finding in findings)


def configure(root: Path) -> None:
    (root / "config").mkdir(parents=True, exist_ok=True)
    (root / "config/config.yaml").write_text("# which\nprofile: small\n")
    (root / "config/small.yaml").write_text("# a comment\n" + yaml.safe_dump(CONFIG, sort_keys=False))


def finish() -> None:
    """The small world's jobs through the command line: data, blind answers, their accuracies, two tables."""

    def job(step: str, inputs: dict[str, list[str]], outputs: list[str], *keys: str) -> None:
        given = [word for name, paths in inputs.items() for word in ("--input", name, *paths)]
        cfg = {key: value for key, value in leaves.items() if key.startswith(keys)} if keys else {}
        assert main([step, *given, "--output", *outputs, "--cfg", repr(cfg)]) == 0

    leaves = dict(flat("", CONFIG))
    asked = {
        f"{prefix}{part}": [f"{DATA}/vqa_{part}.{split}.json"]
        for prefix, split in (("train_", "train"), ("", "test"))
        for part in ("questions", "annotations")
    }
    made = [path for paths in asked.values() for path in paths]
    job("scenes", {}, [f"{DATA}/dataset.json", f"{DATA}/images.zip", *made], "seed", "scenes.")
    tables = [f"{DATA}/captions.{split}.jsonl" for split in ("train", "val", "test")]
    job("captions", {"captions": [f"{DATA}/dataset.json"]}, [*tables, f"{DATA}/images.jsonl"], "datasets.coco.format")
    answers = [f"artifacts/small/answers/coco/coco/majority/s{seed}.1-of-1.json" for seed in (5, 6)]
    job("majority", asked, answers)
    metrics = [f"{RESULTS}/metrics/vqa/coco/majority/coco/s{seed}.json" for seed in (5, 6)]
    scored = {name: asked[name] for name in ("questions", "annotations")}
    job("evaluate-answers", scored | {"results": answers}, metrics)
    for table in ("vqa", "vqa_types"):
        outputs = [f"{RESULTS}/tables/{table}.{suffix}" for suffix in ("json", "metrics.json", "csv", "md", "tex")]
        keys = ("profile", "reduced", f"tables.{table}.", "datasets.coco.label", "answerers.majority.label")
        job("table", {"metrics": metrics}, outputs, *keys)
    results = [f"{RESULTS}/tables/vqa.md", f"{RESULTS}/tables/vqa_types.md", tables[2]]
    list_everything(results)


def list_everything(results: list[str], start: str = "") -> None:
    given = ["--input", "results", *results, "--input", "config", "config/config.yaml", "config/small.yaml"]
    lists = [f"{RESULTS}/{start}{kind}.sha256" for kind in ("files", "setup")]
    assert main(["manifest", *given, "--output", *lists]) == 0


def flat(prefix: str, value: dict) -> Iterator[tuple[str, object]]:
    for key, part in value.items():
        yield from flat(f"{prefix}{key}.", part) if isinstance(part, dict) else [(f"{prefix}{key}", part)]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("small") / "project"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        configure(root)
        finish()
    return root


@pytest.fixture
def copy(small, tmp_path, monkeypatch) -> Path:
    root = tmp_path / "project"
    shutil.copytree(small, root)
    monkeypatch.chdir(root)
    return root


@contextmanager
def flipped(path: Path, draw: random.Random) -> Iterator[str]:
    """One bit or more of one byte of the file changed; afterwards it is as it was."""
    before, times = path.read_bytes(), path.stat()
    at = draw.randrange(len(before))
    changed = bytearray(before)
    changed[at] ^= draw.randrange(1, 256)
    path.write_bytes(changed)
    try:
        yield f"{path}, byte {at}: {before[at]:#04x} -> {changed[at]:#04x}"
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def undetected(
    root: Path,
    profile: str,
    kinds: dict[str, tuple[list[str], int, Callable[[Project], Outcome]]],
    checkout: bool = True,
) -> tuple[int, list[str]]:
    """How many bytes were flipped, and which of them the responsible check does not find in the flipped file."""
    draw, count, missed = random.Random(0), 0, []
    for kind, (files, flips, check) in kinds.items():
        assert files, kind
        for number in range(flips):
            file = files[number % len(files)]
            with flipped(root / file, draw) as what:
                if not named(check(Project(root, profile, checkout)).findings, file):
                    missed.append(f"{kind}: {what} ({check.__name__})")
            count += 1
    return count, missed


def record_files(root: Path, names: Iterable[str]) -> list[str]:
    return [str(provenance_path(name)) for name in names]


def test_nothing_is_wrong_with_finished_results(small):
    project = Project(small, "small")
    outcomes = [*(check(project) for check in (artifacts, inputs, records, manifest, config)), *numbers(project)]
    assert [finding for outcome in outcomes for finding in outcome.findings] == []
    checked = {outcome.check: len(outcome.files) for outcome in outcomes}
    assert checked["metrics"] == 2
    assert checked["tables"] == 10
    assert checked["artifacts"] == 24 + 2


def test_every_flipped_byte_is_found(small):
    names = sorted(Project(small, "small").records)
    lists = [name for name in names if name.endswith(".sha256")]
    by_suffix: dict[str, list[str]] = {}
    for name in (name for name in names if name not in lists):
        by_suffix.setdefault(name.split(".", 1)[1], []).append(name)
    others = record_files(small, (name for name in names if name not in lists))
    kinds = {f"artifact .{suffix}": (files, 12, artifacts) for suffix, files in by_suffix.items()}
    kinds |= {
        "record": (others, 120, manifest),
        "list": (lists, 30, artifacts),
        "config": (["config/config.yaml", "config/small.yaml"], 40, manifest),
    }
    count, missed = undetected(small, "small", kinds)
    assert missed == []
    assert count >= 300


def test_every_flipped_byte_of_the_last_records_is_found(small):
    """Nothing lists the records of the lists: they are found by each other or by the bytes that they speak of."""
    draw = random.Random(1)
    for file in record_files(small, [f"{RESULTS}/files.sha256", f"{RESULTS}/setup.sha256"]) * 40:
        with flipped(small / file, draw) as what:
            assert named(everywhere(Project(small, "small")).findings, file), what


def rehash(name: str) -> None:
    """Make the record of an edited file say that it was always so, and every record that has it as an input."""
    digest = sha256(name)
    for path in Path().rglob("*.prov.json"):
        content = read_json(path)
        if content["artifact"] == name:
            content["sha256"] = digest
        if name in content["inputs"]:
            content["inputs"][name] = digest
        write_json(path, content)


def test_a_record_edited_together_with_its_artifact_is_named(copy):
    answers = "artifacts/small/answers/coco/coco/majority/s5.1-of-1.json"
    rows = read_json(answers)
    write_json(answers, [row | {"answer": "no"} for row in rows])
    rehash(answers)
    project = Project(copy, "small")
    assert not artifacts(project).findings
    files = {finding.file for finding in manifest(project).findings}
    assert {answers, f"{answers}.prov.json", f"{RESULTS}/metrics/vqa/coco/majority/coco/s5.json.prov.json"} <= files
    assert named(numbers(project)[0].findings, f"{RESULTS}/metrics/vqa/coco/majority/coco/s5.json")


def test_a_metric_edited_together_with_its_table_is_named_though_everything_is_listed_anew(copy):
    metric, table = f"{RESULTS}/metrics/vqa/coco/majority/coco/s5.json", f"{RESULTS}/tables/vqa.md"
    write_json(metric, read_json(metric) | {"overall": 99.0}, indent=None)
    rehash(metric)
    command = read_json(f"{table}.prov.json")["command"]
    before = Path(table).read_bytes()
    assert main(shlex.split(command)[1:]) == 0
    assert Path(table).read_bytes() != before
    for path in sorted(Path(f"{RESULTS}/tables").glob("vqa.*")):
        if not path.name.endswith(".prov.json"):
            rehash(str(path))
    list_everything([table, f"{RESULTS}/tables/vqa_types.md", f"{DATA}/captions.test.jsonl"])
    project = Project(copy, "small")
    assert not any(check(project).findings for check in (artifacts, inputs, manifest))
    metrics, tables = numbers(project)
    assert [finding.file for finding in metrics.findings] == [metric]
    assert {f"{RESULTS}/tables/vqa.{suffix}" for suffix in ("json", "metrics.json", "csv", "md", "tex")} == {
        finding.file for finding in tables.findings
    }


def test_extended_results_are_no_leftovers_and_have_lists_of_their_own(copy):
    list_everything([f"{RESULTS}/tables/vqa.md"])
    other = {name for name in Project(copy, "small").records if "vqa_types" in name}
    leftovers = {finding.file for finding in manifest(Project(copy, "small")).findings}
    assert other <= leftovers
    list_everything([f"{RESULTS}/tables/vqa_types.md", f"{DATA}/captions.test.jsonl"], start="extended.")
    assert manifest(Project(copy, "small")).findings == []
    table = Path(f"{RESULTS}/tables/vqa_types.md")
    table.write_text(table.read_text() + "\n")
    (finding,) = manifest(Project(copy, "small")).findings
    assert (finding.file, "run `snakemake --cores all extended`" in finding.problem) == (str(table), True)
    Path(f"{RESULTS}/extended.setup.sha256").unlink()
    (finding,) = manifest(Project(copy, "small")).findings
    assert finding.file == f"{RESULTS}/extended.setup.sha256"


def test_leftovers_orphans_and_strangers_are_named(copy):
    Path(f"{RESULTS}/tables/extra.md").write_text("no record")
    Path(f"{DATA}/images.jsonl").unlink()
    shutil.copy(f"{DATA}/captions.val.jsonl", f"{DATA}/copied.jsonl")
    past = read_json(f"{DATA}/captions.val.jsonl.prov.json")
    write_json(f"{DATA}/copied.jsonl.prov.json", past | {"artifact": f"{DATA}/copied.jsonl"})
    project = Project(copy, "small")
    problems = {finding.file: finding.problem for finding in artifacts(project).findings}
    assert "has no record" in problems.pop(f"{RESULTS}/tables/extra.md")
    assert "is an orphan" in problems.pop(f"{DATA}/images.jsonl.prov.json")
    assert not problems
    assert "its command has another output" in str(records(project).findings)
    assert {"is a leftover", "is missing"} <= {
        f.problem.split(":")[0].split(";")[0] for f in manifest(project).findings
    }


def test_a_record_that_no_job_wrote_is_named(copy):
    file = f"{RESULTS}/tables/vqa.md.prov.json"
    past = read_json(file)
    forged = {
        "ended": past["started"],
        "command": "maccap table --input metrics a.json --output b.md",
        "parameters": past["parameters"] | {"reduced": False},
        "inputs": {},
        "host": past["host"] | {"cores": 1000},
        "sha256": "none",
    }
    for field, value in forged.items():
        write_json(file, past | {field: value})
        assert file in {finding.file for finding in records(Project(copy, "small")).findings}, field
    write_json(file, {key: value for key, value in past.items() if key != "host"})
    assert "not a whole record (missing 'host')" in records(Project(copy, "small")).findings[0].problem


def test_a_record_with_a_commit_that_does_not_exist_or_was_dirty_is_named(copy):
    checkout = Checkout(copy)
    checkout("git", "init", "--quiet")
    checkout.commit()
    commit = checkout("git", "rev-parse", "HEAD").strip()
    for path in Path().rglob("*.prov.json"):
        write_json(path, read_json(path) | {"code": {"package": "0", "commit": commit, "dirty": False}})
    assert not code(Project(copy, "small")).findings
    file = f"{RESULTS}/tables/vqa.md.prov.json"
    write_json(file, read_json(file) | {"code": {"package": "0", "commit": commit, "dirty": True}})
    (finding,) = code(Project(copy, "small")).findings
    assert (finding.file, finding.problem.split(":")[0]) == (file, "was made from a dirty tree")
    write_json(file, read_json(file) | {"code": {"package": "0", "commit": "0" * 40, "dirty": False}})
    (finding,) = code(Project(copy, "small")).findings
    assert f"there is no commit {'0' * 40}" in finding.problem


def test_a_changed_value_of_the_config_is_named_with_what_it_makes_stale(copy):
    text = Path("config/small.yaml").read_text()
    Path("config/small.yaml").write_text(text.replace("questions: 2", "questions: 3"))
    (finding,) = config(Project(copy, "small")).findings
    assert finding.file == "config/small.yaml"
    assert finding.problem.startswith("scenes.questions is 3, but 6 files were made with 2, as artifacts/small/data")


def test_jobs_run_again_give_the_same_bytes_and_leave_the_originals_alone(copy):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    outcome = rerun(Project(copy, "small"), 3, seed=0)
    assert len(outcome.notes) == 3
    assert outcome.findings == []
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    tables = Path(f"{RESULTS}/tables/vqa.md"), Path(f"{RESULTS}/tables/vqa_types.md")
    for path in tables:
        path.write_text("forged")
    assert {f.file for f in rerun(Project(copy, "small"), 99, seed=0).findings} == set(map(str, tables))


@pytest.fixture(scope="module")
def crated(tmp_path_factory) -> Path:
    """The crate of the small world, made by a commit of this project's sources."""
    root = tmp_path_factory.mktemp("crated") / "project"
    root.mkdir()
    copy_sources(root)
    configure(root)
    code = commit_everything(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("maccap.core.artifacts.code_version", lambda: code)
        finish()
        assert main(["crate", "--profile", "small"]) == 0
    return root / f"{RESULTS}/crate.zip"


@pytest.fixture
def unpacked(crated, tmp_path, monkeypatch) -> Project:
    """The crate unpacked into the current folder."""
    with zipfile.ZipFile(crated) as zipped:
        zipped.extractall(tmp_path / "crate")
    monkeypatch.chdir(tmp_path / "crate")
    return Project(Path(), "small", checkout=False)


def test_a_crate_is_verified_without_the_repository(crated, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["verify", str(crated), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["profile"], told["findings"]) == ("small", [])
    notes = {check["check"]: check["notes"] for check in told["checks"]}
    skipped = {name for name, of in notes.items() if of == ["skipped: a crate has no repository"]}
    assert skipped == {"code", "config", "snakemake", "dvc_lock"}
    weights = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "maccap/world/weights").rglob("*.safetensors"))]
    assert notes["crate"][1:] == [f"left out: {name}" for name in sorted([f"{DATA}/images.zip", *weights])]
    altered = Path(shutil.copy(crated, "altered.zip"))
    with zipfile.ZipFile(altered, "a") as zipped, pytest.warns(UserWarning, match="Duplicate"):
        zipped.writestr(f"{RESULTS}/tables/vqa.md", "| 100 |")
    assert main(["verify", str(altered)]) == 1
    out = capsys.readouterr().out
    assert f"{RESULTS}/tables/vqa.md: has sha256" in out
    assert f"{RESULTS}/tables/vqa.md: is not what its inputs give" in out


def test_every_flipped_byte_of_a_crate_is_found(unpacked):
    everything = sorted(str(path.relative_to(unpacked.root)) for path in unpacked.root.rglob("*") if path.is_file())
    results = [name for name in everything if name.startswith(("results/", "artifacts/"))]
    kinds = {
        "metadata": (["ro-crate-metadata.json"], 30, crate),
        "list": (["crate.sha256"], 30, crate),
        "source": (sorted(set(everything) - set(results)), 20, crate),
        "artifact or record": (results, 50, crate),
    }
    count, missed = undetected(unpacked.root, "small", kinds, checkout=False)
    assert missed == []
    assert count == 130


def rewrite(edit: Callable[[dict[str, dict]], None]) -> None:
    """Edit the crate's metadata, its entities by id, and list everything anew."""
    content = read_json("ro-crate-metadata.json")
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    edit(entities)
    write_json("ro-crate-metadata.json", content | {"@graph": list(entities.values())}, indent=4)
    Path("crate.sha256").write_text(listing(Path()))


def problems_of(name: str) -> str:
    """What the checks of files say that is wrong with a file of the crate in the current folder, or with its record."""
    project = Project(Path(), "small", checkout=False)
    findings = [finding for check in (artifacts, inputs, manifest, crate) for finding in check(project).findings]
    assert findings
    assert {finding.file.removesuffix(".prov.json") for finding in findings} == {name}
    return "; ".join(finding.problem for finding in findings)


def test_what_a_crate_should_hold_is_missed_however_it_is_described(unpacked):
    name = f"{DATA}/vqa_questions.test.json"
    digest, size = sha256(name), Path(name).stat().st_size
    Path(name).unlink()
    rewrite(lambda entities: None)
    assert {"is an orphan", "is missing", "has not the bytes"} <= words(problems_of(name))

    def leave_out(entities: dict[str, dict]) -> None:
        entities[f"#{name}"] = entities.pop(name) | {"@id": f"#{name}", "sha256": "0" * 64}

    rewrite(leave_out)
    assert {"is an orphan", "is missing", "is left out with sha256 0"} <= words(problems_of(name))
    rewrite(lambda entities: entities[f"#{name}"].update(sha256=digest))
    assert problems_of(name) == "is left out, but a crate holds every file like it"
    rewrite(lambda entities: entities[f"#{name}"].update(contentSize=str(size + 2**30)))
    assert not crate(Project(Path(), "small", checkout=False)).findings  # nobody can know: see docs/verify.md


def words(problems: str) -> set[str]:
    """The beginnings of sentences about problems."""
    known = ("is an orphan", "is missing", "has not the bytes", "is left out with sha256 0")
    return {begin for begin in known if any(problem.startswith(begin) for problem in problems.split("; "))}


def test_what_a_crate_leaves_out_has_the_hash_that_records_name(unpacked):
    name = f"{DATA}/images.zip"
    rewrite(lambda entities: entities[f"#{name}"].update(sha256="0" * 64))
    assert {"is an orphan", "is missing", "is left out with sha256 0"} <= words(problems_of(name))
    rewrite(lambda entities: entities.pop(f"#{name}"))
    assert {"is an orphan", "is missing"} <= words(problems_of(name))


def test_a_crate_with_files_that_are_listed_anew_but_described_otherwise_is_found(unpacked):
    Path("README.md").write_text("other words")
    Path("LICENSE").unlink()
    Path("added.py").write_text("print()")
    rewrite(
        lambda entities: entities.update({"#CITATION.cff": entities.pop("CITATION.cff") | {"@id": "#CITATION.cff"}})
    )
    problems = {finding.file: finding.problem for finding in crate(Project(Path(), "small", checkout=False)).findings}
    assert "has not the bytes" in problems.pop("README.md")
    assert "or is missing" in problems.pop("LICENSE")
    assert "is not described" in problems.pop("added.py")
    assert "but ro-crate-metadata.json says that it is left out" in problems.pop("CITATION.cff")
    assert not problems


def test_where_there_is_nothing_to_verify_one_line_says_so(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "config.yaml: no such file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Checkout:
    """A checkout whose miniature profile Snakemake has finished and DVC recorded."""
    checkout = make_checkout(tmp_path_factory.mktemp("finished") / "work")
    checkout.snakemake_run()
    checkout.record()
    return checkout


def duplicate(checkout: Checkout, folder: Path) -> Checkout:
    shutil.copytree(checkout.folder, folder, symlinks=True)
    return Checkout(folder)


@pytest.mark.drivers
def test_nothing_is_wrong_with_what_snakemake_and_dvc_made(finished):
    with opened(finished.folder) as project:
        outcomes = verify(project)
    assert [finding for outcome in outcomes for finding in outcome.findings] == []
    assert all(outcome.files for outcome in outcomes)
    assert not any("last bit" in note for outcome in outcomes for note in outcome.notes)


@pytest.mark.drivers
def test_every_flipped_byte_of_a_checkout_is_found(finished):
    root = finished.folder
    names = sorted(Project(root, "tiny").records)
    lists = [name for name in names if name.endswith(".sha256")]
    made = [name for name in names if name not in lists]
    by_kind: dict[str, list[str]] = {}
    for name in made:
        kind = "/".join([*name.split("/")[2:3], name.split(".", 1)[1]])
        by_kind.setdefault(kind, []).append(name)
    kinds = {kind: (files, 6, artifacts) for kind, files in by_kind.items()} | {
        "list": (lists, 10, artifacts),
        "record": (record_files(root, made), 60, manifest),
        "record of a list": (record_files(root, lists), 20, everywhere),
        "Snakemake record": ([str(record_path(name)) for name in made], 60, manifest),
        "Snakemake record of a list": ([str(record_path(name)) for name in lists], 40, driven),
        "config": (["config/config.yaml", "config/tiny.yaml"], 20, manifest),
        "lock": ([str(path.relative_to(root)) for path in sorted(root.glob("**/dvc.lock"))], 60, dvc_lock),
    }
    count, missed = undetected(root, "tiny", kinds)
    assert missed == []
    assert count >= 300


def everywhere(project: Project) -> Outcome:
    """The checks that see the record of a list."""
    outcomes = [check(project) for check in (artifacts, inputs, records)]
    return Outcome("records", findings=[finding for outcome in outcomes for finding in outcome.findings])


def driven(project: Project) -> Outcome:
    """The checks that see Snakemake's record of a list."""
    return Outcome("driven", findings=[*snakemake(project).findings, *dvc_lock(project).findings])


@pytest.mark.drivers
def test_a_list_was_written_when_snakemake_says_unless_dvc_put_a_copy_in_its_place(finished, tmp_path):
    checkout = duplicate(finished, tmp_path / "timed")
    name, record = f"{checkout.folder}/results/tiny/files.sha256", record_path("results/tiny/files.sha256")
    content = read_json(checkout.folder / record)

    def problems(later: float) -> list[str]:
        os.utime(name, (content["endtime"], content["endtime"]))
        changed = content | {"endtime": os.stat(name).st_mtime + later}
        (checkout.folder / record).write_text(json.dumps(changed))
        return [f.problem for f in snakemake(Project(checkout.folder, "tiny")).findings if f.file == str(record)]

    assert problems(-0.05) == []
    for lock in checkout.folder.glob("**/dvc.lock"):
        lock.unlink()
    assert problems(0) == []
    assert problems(-0.05) == ["has a time that its file was not written at (results/tiny/files.sha256)"]


@pytest.mark.drivers
def test_touched_results_are_named(finished, tmp_path):
    checkout = duplicate(finished, tmp_path / "touched")
    checkout("snakemake", "--touch", "--forceall", "--cores", "1")
    project = Project(checkout.folder, "tiny")
    touched = {finding.file for finding in snakemake(project).findings if "--touch" in finding.problem}
    assert touched == {str(record_path(name)) for name in project.records}


@pytest.mark.drivers
def test_results_from_a_dirty_tree_are_named(finished, tmp_path):
    checkout = duplicate(finished, tmp_path / "dirty")
    checkout.append("maccap/tables/captions.py", "# not committed\n")
    tables = {"table-in-domain", "table-nearness", "reported"}
    assert checkout.snakemake_run() == tables | {"samples", "sample-page", "report", "manifest"}
    findings = code(Project(checkout.folder, "tiny")).findings
    dirty = {finding.file for finding in findings if "dirty" in finding.problem}
    assert {"results/tiny/tables/in_domain.md.prov.json", "results/tiny/tables/reported.csv.prov.json"} <= dirty
    assert "artifacts/tiny/data/coco/dataset.json.prov.json" not in dirty
    assert "maccap/tables/captions.py" in {finding.file for finding in findings}


@pytest.mark.drivers
def test_a_caption_metric_edited_together_with_its_table_is_named(finished, tmp_path, monkeypatch):
    checkout = duplicate(finished, tmp_path / "edited")
    monkeypatch.chdir(checkout.folder)
    metric, table = "results/tiny/metrics/captions/coco/maccap/coco/s2401.json", "results/tiny/tables/in_domain.md"
    content = read_json(metric)
    content["corpus"]["CIDEr"] += 1
    write_json(metric, content, indent=None)
    rehash(metric)
    assert main(shlex.split(read_json(f"{table}.prov.json")["command"])[1:]) == 0
    metrics, tables = numbers(Project(checkout.folder, "tiny"))
    assert named(metrics.findings, metric)
    assert named(tables.findings, table)


@pytest.mark.drivers
def test_a_lock_forged_with_new_parameters_is_named(finished, tmp_path):
    checkout = duplicate(finished, tmp_path / "forged")
    lock = "stages/train/dvc.lock"
    for file in (lock, "config/tiny.yaml"):
        checkout.edit(file, "learning_rate: 0.002", "learning_rate: 0.004")
    project = Project(checkout.folder, "tiny")
    problems = [finding.problem for finding in dvc_lock(project).findings if finding.file == lock]
    assert any("training.learning_rate is 0.004, but artifacts/tiny/runs" in problem for problem in problems)
    stale = "training.learning_rate is 0.004, but 8 files were made with 0.002"  # the run's and what came of it
    assert stale in config(project).findings[0].problem
