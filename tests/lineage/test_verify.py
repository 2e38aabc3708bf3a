"""`maccap verify` on finished results: nothing to say of them as they are, every flipped byte and forged record named.

The quick tests verify a small project of toy steps; those marked `drivers` let Snakemake and DVC finish a real one.
"""

import errno
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from maccap.cli.main import parser
from maccap.core.artifacts import read_json, sha256, write_json
from maccap.core.errors import EnvironmentProblem
from maccap.core.records import Code, OutputFile, Record, Records
from maccap.lineage.crate import write_crate
from maccap.lineage.crate_files import listing
from maccap.lineage.snakemake_private import snakemake_record
from maccap.lineage.verify import opened, quick, run, verify
from maccap.lineage.verify_checkout import code, config, dvc_lock
from maccap.lineage.verify_crate import crate
from maccap.lineage.verify_files import artifacts, inputs, manifest, records
from maccap.lineage.verify_numbers import numbers, rerun
from maccap.lineage.verify_project import Finding, Outcome, Project
from maccap.steps.runner import run_jobs as real_jobs
from tests.helpers import small_project, wait_for
from tests.helpers.checkout import ROOT, Checkout, commit_everything, copy_sources, make_checkout
from tests.helpers.small_project import (
    ADAPTOR,
    BASELINES,
    DATA,
    GAP,
    METRICS,
    PREDICTIONS,
    RESULTS,
    RUNS,
    TABLES,
    WEIGHTS,
    configure,
    do,
    list_everything,
    results,
    run_jobs,
)

LISTS = [f"{RESULTS}/files.sha256", f"{RESULTS}/setup.sha256"]
LAST_RECORD = f"{LISTS[0]}.prov.json"  # which nothing lists
Check = Callable[[Project], Outcome]


def named(findings: Iterable[Finding], file: str) -> bool:
    return any(file == finding.file or file in finding.problem for finding in findings)


def small(checkout: bool = True) -> Project:
    return Project(Path(), "small", checkout)


def problems(check: Check, checkout: bool = True) -> dict[str, str]:
    """{file: problems} that a check finds in the current folder."""
    found: dict[str, str] = {}
    for finding in check(small(checkout)).findings:
        found[finding.file] = "; ".join(filter(None, (found.get(finding.file), finding.problem)))
    return found


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
    root: Path, profile: str, kinds: dict[str, tuple[list[str], int, Check]], checkout: bool = True
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


def rewrite(path: str, **changes: object) -> Record:
    """Forge a record as a job would have written it."""
    record = Records().by_path[path].model_copy(update=changes)
    Path(path).write_text(record.text())
    return record


def rehash(name: str) -> None:
    """Make the record of an edited file say that it was always so, and every record of a job that read it."""
    made = OutputFile(sha256=sha256(name), size=Path(name).stat().st_size)
    for path, record in Records().by_path.items():
        read = {
            kind: files | ({name: made.sha256} if name in files else {}) for kind, files in record.inputs.items()
        }  # fmt: skip
        rewrite(path, inputs=read, outputs=record.outputs | ({name: made} if name in record.outputs else {}))


def again(path: str) -> None:
    """Do the job of a record again in the current folder."""
    record = Records().by_path[path]
    run_jobs(record.step, [record.job])
    for out in record.outputs:
        rehash(out)


# --- as it is ------------------------------------------------------------------------------------------------------
def test_nothing_is_wrong_with_finished_results(project):
    outcomes = verify(small(), run_jobs)
    assert [finding for outcome in outcomes for finding in outcome.findings] == []
    checked = {outcome.check: len(outcome.files) for outcome in outcomes}
    assert {name: checked[name] for name in ("metrics", "tables", "records")} == {
        "metrics": 3, "tables": 12, "records": 18,
    }  # fmt: skip
    assert checked["artifacts"] == len([p for p in Path().glob("[ar]*ts/small/**/*") if p.is_file()]) - 18


def test_the_command_prints_findings_and_a_table_of_checks(copy, capsys):
    assert run(parser().parse_args(["verify"]), run_jobs) == 0
    assert "profile small: all is as the records say" in capsys.readouterr().out
    Path(METRICS["daylight"]).unlink()
    assert run(parser().parse_args(["verify", "--json", "--rerun", "1"]), run_jobs) == 1
    told = json.loads(capsys.readouterr().out)
    assert {(f["file"], f["check"]) for f in told["findings"]} >= {
        (METRICS["daylight"], "artifacts"), (METRICS["daylight"], "manifest"),
    }  # fmt: skip


# --- flipped bytes -------------------------------------------------------------------------------------------------
def test_every_flipped_byte_is_found(project):
    own = small()
    by_suffix: dict[str, list[str]] = {}
    for name in sorted(set(own.outputs) - set(LISTS)):
        by_suffix.setdefault(name.split(".", 1)[1], []).append(name)
    kinds: dict[str, tuple[list[str], int, Check]] = {
        f"artifact .{suffix}": (files, 10, artifacts) for suffix, files in by_suffix.items()
    }
    kinds |= {
        "record, by its own text": (sorted(own.jobs), 60, records),
        "record, by the list": (sorted(set(own.jobs) - {LAST_RECORD}), 60, manifest),
        "record of the lists, which no list names": ([LAST_RECORD], 80, records),
        "list": (LISTS, 30, artifacts),
        "config": (["config/config.yaml", "config/base.yaml", "config/small.yaml"], 40, manifest),
        "weights": (list(WEIGHTS), 10, inputs),
    }
    count, missed = undetected(project, "small", kinds)
    assert missed == []
    assert count >= 300


# --- forgeries -----------------------------------------------------------------------------------------------------
def test_a_record_edited_together_with_its_file_is_named(copy):
    rows = gzip.decompress(Path(PREDICTIONS).read_bytes())
    Path(PREDICTIONS).write_bytes(gzip.compress(rows.replace(b"aaa", b"aa")))
    rehash(PREDICTIONS)
    assert not problems(artifacts)
    assert {PREDICTIONS, f"{PREDICTIONS}.prov.json", f"{METRICS['daylight']}.prov.json"} <= set(problems(manifest))
    assert named(numbers(small(), run_jobs)[0].findings, METRICS["daylight"])


def test_a_metric_edited_together_with_its_table_is_named_though_everything_is_listed_anew(copy):
    metric, table = METRICS["daylight"], TABLES["ablation"]
    Path(metric).write_text(Path(metric).read_text().replace('"CIDEr": 3', '"CIDEr": 9'))
    rehash(metric)
    for path in TABLES.values():
        again(f"{path}.prov.json")
    list_everything(results())
    assert not any(problems(check) for check in (artifacts, inputs, records, manifest))
    metrics, tables = numbers(small(), run_jobs)
    assert [finding.file for finding in metrics.findings] == [metric]
    forms = {str(path) for path in Path(table).parent.glob("ablation.*") if not path.name.endswith("prov.json")}
    assert forms - {f"{RESULTS}/tables/ablation.html"} <= {finding.file for finding in tables.findings}


def test_a_metric_that_is_equal_to_the_fourth_decimal_is_mentioned_and_no_finding(copy):
    metric = METRICS["daylight"]
    Path(metric).write_text(Path(metric).read_text().replace("41.0", "41.00001"))
    metrics, tables = numbers(small(), run_jobs)
    assert metrics.notes[0] == f"equal to the fourth decimal, not to the last bit: {metric}"
    assert not metrics.findings
    assert named(tables.findings, TABLES["in_domain"]), "made from the file as it is"


@pytest.mark.parametrize(("change", "finding"), [(1e-12, False), (1e-6, True)])
def test_what_another_kind_of_cpu_makes_of_an_interval_is_mentioned_and_no_finding(copy, change, finding):
    table = Path(TABLES["ablation"])
    content = read_json(table)
    bound = next(cell for row in content["rows"] for cell in row["cells"] if cell and cell["kind"] == "bound")
    table.write_text(table.read_text().replace(f'"value": {bound["value"]}', f'"value": {bound["value"] + change}'))
    assert read_json(table) != content
    tables = numbers(small(), run_jobs)[1]
    assert named(tables.findings, str(table)) == finding
    assert (f"equal to the ninth decimal, not to the last bit: {table}" in tables.notes) != finding


def test_extended_results_are_no_leftovers_and_have_lists_of_their_own(copy):
    list_everything([Path(TABLES["in_domain"])])
    left = problems(manifest)
    assert {TABLES["ablation"], f"{TABLES['ablation']}.prov.json", f"{RUNS}/other/s5/run.json"} <= set(left)
    list_everything([Path(TABLES["ablation"]), Path(f"{RUNS}/other/s5/run.json"), Path(GAP)], tier="+extended")
    assert problems(manifest) == {}
    table = Path(TABLES["ablation"])
    table.write_text(table.read_text() + "\n")
    assert "run `snakemake --cores all extended`" in problems(manifest)[str(table)]
    Path(f"{RESULTS}/setup+extended.sha256").unlink()
    assert f"{RESULTS}/setup+extended.sha256" in problems(manifest)


def test_leftovers_orphans_and_strangers_are_named(copy):
    Path(f"{RESULTS}/tables/extra.md").write_text("no record")
    Path(state := f"{RUNS}/maccap/s5.state.pt").write_text("of half a training")
    Path(f"{DATA}/daylight/images.jsonl").unlink()
    shutil.copy(f"{BASELINES}.prov.json", f"{BASELINES}.copied.prov.json")
    found = problems(artifacts)
    assert "delete it and run `snakemake --cores all`" in found[f"{RESULTS}/tables/extra.md"]
    assert "has no record" in found.pop(f"{RESULTS}/tables/extra.md")
    assert "run `snakemake --cores all`, which goes on from it" in found.pop(state)
    assert "is missing; " in found.pop(f"{DATA}/daylight/images.jsonl")
    assert not found
    foreign = problems(records)
    assert f"is the record of '{BASELINES}'" in foreign.pop(f"{BASELINES}.copied.prov.json")
    assert foreign.pop(f"{BASELINES}.prov.json") == f"claims {BASELINES}, as another record does"
    assert not foreign
    assert "is a leftover" in problems(manifest)[f"{BASELINES}.copied.prov.json"]
    listed = Path(LISTS[0])
    listed.write_text(listed.read_text() + f"{sha256('README.md')}  README.md\nnonsense\n")
    lines = problems(manifest)[LISTS[0]]
    assert "lists README.md, which nothing in the results comes from" in lines
    assert "'nonsense' is no line of `sha256sum`" in lines


def test_a_record_that_no_job_wrote_is_named(copy):
    file = f"{TABLES['in_domain']}.prov.json"
    before = Records().by_path[file]
    forged = {
        "ended": before.started, "step": "nothing", "command": "maccap step --again another.prov.json",
        "outputs": before.outputs | {"../outside.md": next(iter(before.outputs.values()))},
    }  # fmt: skip
    words = "no job ran", "'nothing' is no step", "does not run its job again", "'../outside.md' outside the project"
    for (field, value), word in zip(forged.items(), words, strict=True):
        Path(file).write_text(before.model_copy(update={field: value}).text())
        assert word.replace("'../outside.md'", "../outside.md") in problems(records)[file]
    for content in (before.text().replace('"cores"', '"core"'), before.text() + "\n"):
        Path(file).write_text(content)
        assert problems(records)[file] == "has bytes that `maccap` does not write"
    Path(file).write_text(json.dumps({key: value for key, value in json.loads(before.text()).items() if key != "host"}))
    assert "is damaged" in problems(records)[file]
    assert "host: Field required" in problems(records)[file]


def test_an_input_that_its_maker_did_not_make_is_named(copy):
    file = f"{METRICS['daylight']}.prov.json"
    rewrite(file, inputs=Records().by_path[file].inputs | {"predictions": {PREDICTIONS: "0" * 64}})
    assert f"names another {PREDICTIONS}" in problems(inputs)[file]
    Path(WEIGHTS[0]).unlink()
    assert "is missing; the job of" in problems(inputs)[WEIGHTS[0]]


def test_a_record_with_a_commit_that_does_not_exist_or_was_dirty_is_named(copy):
    assert not problems(code)
    file = f"{TABLES['in_domain']}.prov.json"
    rewrite(file, code=Records().by_path[file].code.model_copy(update={"dirty": True}))
    assert problems(code)[file].startswith("was made with uncommitted changes")
    rewrite(file, code=Code(package="0", commit="0" * 40, dirty=False))
    assert problems(code) == {file: f"there is no commit {'0' * 40}, which it names"}
    rewrite(file, code=Code(package="0", commit=None, dirty=None))
    assert "outside a git checkout" in problems(code)[file]


def test_the_lock_of_another_profile_is_not_this_ones(copy):
    Path("dvc.lock").write_text("stages: {}")
    assert problems(dvc_lock) != {}
    Path("config/config.yaml").write_text("profile: other\n")
    assert problems(dvc_lock) == {}


def test_source_files_that_have_changed_since_are_mentioned_and_no_finding(copy):
    assert not [note for note in code(small()).notes if "README" in note]
    Path("maccap/cli/main.py").write_text("# edited later\n")
    outcome = code(small())
    assert not outcome.findings
    assert outcome.notes[0].endswith("such as maccap/cli/main.py")


def test_a_changed_value_of_the_config_is_named_with_what_it_makes_stale(copy):
    assert not problems(config)
    text = Path("config/small.yaml").read_text()
    Path("config/small.yaml").write_text(text.replace("questions: 2", "questions: 3"))
    (problem,) = problems(config).values()
    assert problem.startswith("scenes.questions is 3, but 2 jobs ran with 2, as artifacts/small/data/chalk")
    Path("config/small.yaml").write_text("{")
    assert "cannot be read" in problems(config)["config/small.yaml"]


def full_disk(step, jobs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_says_nothing_about_the_results(project):
    with pytest.raises(EnvironmentProblem, match="No space left on device; free space there, or set TMPDIR"):
        numbers(small(), full_disk)


def test_jobs_run_again_give_the_same_bytes_and_leave_the_originals_alone(copy):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    outcome = rerun(small(), run_jobs, 3, seed=0)
    assert len(outcome.notes) == 3
    assert outcome.findings == []
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    forged = [Path(TABLES["ablation"]), Path(f"{DATA}/daylight/images.zip")]
    for path in forged:
        path.write_text("forged")
    Path(f"{DATA}/daylight/captions.test.jsonl").unlink()
    outcome = rerun(small(), run_jobs, 99, seed=0)
    assert set(map(str, forged)) <= {finding.file for finding in outcome.findings}
    absent = "not run again, artifacts/small/data/daylight/captions.test.jsonl is missing"
    assert any(absent in note for note in outcome.notes)


# --- results in git ------------------------------------------------------------------------------------------------
def committed(folder: Path) -> list[str]:
    return Checkout(folder)("git", "ls-files", "artifacts", "results").splitlines()


def told(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """What the checks mention; none finds anything."""
    outcomes = list(outcomes)
    assert [finding for outcome in outcomes for finding in outcome.findings] == []
    return {outcome.check: "; ".join(outcome.notes) for outcome in outcomes}


def test_git_has_results_records_and_text_that_metrics_come_from(fresh):
    files = set(committed(fresh))
    made = {name: record for record in Records().by_path.values() for name in record.outputs}
    assert {record.path for record in made.values()} <= files
    left = {name for name in made if name not in files}
    features = {name for name in made if name.endswith(".safetensors")}
    large = ("dataset.json", "images.zip", "images.jsonl")
    assert left == features | {f"{DATA}/{name}/{file}" for name in METRICS for file in large}


def test_nothing_is_wrong_with_a_fresh_clone_and_what_is_absent_is_mentioned(fresh, capsys):
    outcomes = verify(small(), run_jobs)
    notes = told(outcomes)
    assert notes["artifacts"] == (
        "described, but not here: 6 in artifacts/small/data, 3 in artifacts/small/features, 3 in artifacts/small/runs"
    )
    assert notes["manifest"] == f"changed since, or gone: {snakemake_record(TABLES['ablation'])}"
    assert "not made again, as inputs are absent or have changed: 1 of measure_gap" in notes["metrics"]
    checked = {outcome.check: outcome.files for outcome in outcomes}
    assert checked["metrics"] == set(METRICS.values())
    assert len(checked["tables"]) == 12
    assert run(parser().parse_args(["verify"]), run_jobs) == 0
    assert "all is as the records say" in capsys.readouterr().out
    again = rerun(small(), run_jobs, 99, seed=0)
    assert not again.findings
    assert sum("same bytes" in note for note in again.notes) == 5, "2 evaluate, 2 table, 1 baselines"


def test_tables_are_made_again_from_metrics_that_git_does_not_have(fresh):
    Checkout(fresh)("git", "rm", "-q", METRICS["daylight"])
    metrics, tables = numbers(small(), run_jobs)
    assert metrics.findings == tables.findings == []
    assert not any("not made again" in note for note in tables.notes)
    assert len(tables.files) == 12
    table = Path(TABLES["ablation"])
    table.write_text(table.read_text().replace('"value": 3', '"value": 4', 1))
    assert [finding.file for finding in numbers(small(), run_jobs)[1].findings] == [str(table)]


def test_every_flipped_byte_and_every_deletion_of_what_is_committed_is_found(fresh):
    by_suffix: dict[str, list[str]] = {}
    for name in committed(fresh):
        by_suffix.setdefault("record" if name.endswith(".prov.json") else name.split(".", 1)[1], []).append(name)
    kinds: dict[str, tuple[list[str], int, Check]] = {
        kind: (files, 60 if kind == "record" else 6, records if kind == "record" else artifacts)
        for kind, files in by_suffix.items()
    }
    count, missed = undetected(fresh, "small", kinds)
    assert missed == []
    assert count > 100
    for name in committed(fresh):
        content = Path(name).read_bytes()
        Path(name).unlink()
        findings = [finding for outcome in quick(small()) for finding in outcome.findings]
        assert named(findings, LISTS[0] if name == LAST_RECORD else name), name
        Path(name).write_bytes(content)


def test_a_commit_that_removes_what_is_published_is_found_out(fresh, capsys):
    gone = [name for name in committed(fresh) if not name.endswith(".prov.json")]
    Checkout(fresh)("git", "rm", "--quiet", *gone)
    Checkout(fresh)("git", "commit", "--quiet", "--message", "tidy up")
    made = {name for record in Records().by_path.values() for name in record.outputs}
    assert {name for name, problem in problems(artifacts).items() if "is missing; " in problem} == made & {*gone}
    assert TABLES["in_domain"] in gone
    assert run(parser().parse_args(["verify"]), run_jobs) == 1
    said = capsys.readouterr().out
    assert f"{TABLES['in_domain']}: is missing; " in said
    assert "delete it" not in said


@pytest.mark.parametrize("edited", [True, False])
def test_another_rule_of_what_is_published_hides_nothing(fresh, edited):
    git = partial(Checkout(fresh), "git")
    if edited:
        Path(".gitattributes").write_text("* -published\n")
        assert problems(artifacts) == {}
        git("add", ".gitattributes")
    git("rm", "--quiet", *[] if edited else [".gitattributes"], TABLES["in_domain"], PREDICTIONS)
    git("commit", "--quiet", "--message", "tidy up")
    found = problems(artifacts)
    for name in (TABLES["in_domain"], PREDICTIONS):
        assert found[name].endswith(f"; a commit removed it: `git log -- {name}`")
    git("checkout", "HEAD^", PREDICTIONS)
    assert PREDICTIONS not in problems(artifacts)
    Path(PREDICTIONS).unlink()
    assert problems(artifacts)[PREDICTIONS].endswith(f"; git has it: `git checkout -- {PREDICTIONS}`")


def test_another_profile_than_the_default_is_named_to_snakemake():
    assert Project(ROOT, "mini").command == "snakemake --cores all"
    assert Project(ROOT, "world").command == "snakemake --cores all --configfile config/world.yaml"


def test_an_artifact_that_git_does_not_have_may_be_deleted(published, tmp_path, monkeypatch):
    monkeypatch.chdir(shutil.copytree(published, tmp_path / "copy"))
    assert "artifacts" not in {check for check, notes in told(quick(small())).items() if notes}
    Path(ADAPTOR).unlink()
    assert told(quick(small()))["artifacts"] == f"described, but not here: {ADAPTOR}"
    Path(f"{RUNS}/maccap/s6/adaptor.safetensors").write_bytes(b"another")
    assert set(problems(artifacts)) == {f"{RUNS}/maccap/s6/adaptor.safetensors"}


def test_sources_that_have_changed_since_results_were_committed_are_mentioned(fresh):
    text = Path("config/small.yaml").read_text()
    Path("config/small.yaml").write_text(text.replace("questions: 2", "questions: 3"))
    Path(WEIGHTS[0]).write_text("others")
    notes = told(quick(small()))
    assert notes["inputs"] == f"changed since, or gone: config/small.yaml, {WEIGHTS[0]}"
    assert notes["manifest"].endswith(", config/small.yaml")
    assert notes["config"] == "values changed since: 1, such as scenes.questions"
    assert notes["code"].endswith("such as config/small.yaml")
    Path(WEIGHTS[0]).unlink()
    assert "is missing; the job of" in problems(inputs)[WEIGHTS[0]]
    Checkout(fresh)("git", "rm", "--quiet", WEIGHTS[0])
    assert problems(inputs) == {}


def test_a_clone_without_history_cannot_check_the_code(published, tmp_path, monkeypatch):
    Checkout(tmp_path)("git", "clone", "--quiet", "--depth", "1", f"file://{published}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    assert "git fetch --unshallow" in told(quick(small()))["code"]


# --- crates --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def crated(finished) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        write_crate("small", Path(f"{RESULTS}/crate.zip"))
    return finished / f"{RESULTS}/crate.zip"


@pytest.fixture
def unpacked(crated, tmp_path, monkeypatch) -> Path:
    with zipfile.ZipFile(crated) as zipped:
        zipped.extractall(tmp_path / "crate")
    monkeypatch.chdir(tmp_path / "crate")
    return tmp_path / "crate"


def test_a_crate_is_verified_without_the_repository(crated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with opened(crated) as own:
        outcomes, left = {outcome.check: outcome for outcome in verify(own, run_jobs)}, set(own.absent)
    assert not [finding for outcome in outcomes.values() for finding in outcome.findings]
    skipped = {name for name, of in outcomes.items() if of.notes == ["skipped: a crate has no repository"]}
    assert skipped == {"code", "config", "dvc_lock"}
    weights = [str(path.relative_to(ROOT)) for path in (ROOT / "maccap/world/weights").rglob("*.safetensors")]
    assert {*weights, *WEIGHTS, f"{DATA}/daylight/images.zip"} <= left
    (told,) = outcomes["artifacts"].notes
    assert told.startswith("described, but not here: ")
    altered = Path(shutil.copy(crated, "altered.zip"))
    with zipfile.ZipFile(altered, "a") as zipped, pytest.warns(UserWarning, match="Duplicate"):
        zipped.writestr(TABLES["ablation"], "{}")
    with opened(altered) as own:
        found = [(f.file, f.check) for outcome in verify(own, run_jobs) for f in outcome.findings]
    assert {(TABLES["ablation"], check) for check in ("artifacts", "manifest", "crate", "tables")} <= set(found)


def test_nothing_is_wrong_with_a_crate_of_uncommitted_data_that_lie_anywhere(tmp_path, monkeypatch):
    """Captions and weights outside the project, a vocabulary and a profile in it; git knows none of them."""
    root, data = tmp_path / "project", tmp_path / "own data"
    root.mkdir()
    data.mkdir()
    copy_sources(root)
    monkeypatch.chdir(root)
    configure()
    Path("config/small.yaml").rename(tmp_path / "small.yaml")
    version = commit_everything(root)
    (tmp_path / "small.yaml").rename("config/small.yaml")
    monkeypatch.setattr("maccap.core.records.code_version", lambda: version)
    for path in (data / "küste 1.json", data / "weights.safetensors", Path("words.txt")):
        path.write_text(path.name)
    own = {"own": [str(path) for path in (*sorted(data.iterdir()), Path("words.txt"))]}
    for step, read, made, about in small_project.jobs():
        do(step, read | (own if step in ("captions", "evaluate", "table") else {}), made, about)
    list_everything(results())
    write_crate("small", tmp_path / "crate.zip")
    with opened(tmp_path / "crate.zip") as here:
        assert not [finding for outcome in verify(here, run_jobs) for finding in outcome.findings]
    shutil.rmtree(data)
    with opened(tmp_path / "crate.zip") as elsewhere:
        assert not [finding for outcome in verify(elsewhere, run_jobs) for finding in outcome.findings]


def test_an_unpacked_crate_is_verified_as_a_crate_and_every_flipped_byte_is_found(unpacked):
    with opened(Path()) as own:
        assert not own.checkout
        assert not [finding for outcome in quick(own) for finding in outcome.findings]
    everything = sorted(str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file())
    results = [name for name in everything if name.startswith(("results/", "artifacts/"))]
    kinds: dict[str, tuple[list[str], int, Check]] = {
        "metadata": (["ro-crate-metadata.json"], 30, crate), "list": (["crate.sha256"], 30, crate),
        "source": (sorted(set(everything) - set(results)), 20, crate), "artifact or record": (results, 50, crate),
    }  # fmt: skip
    assert undetected(unpacked, "small", kinds, checkout=False) == (130, [])


def describe(edit: Callable[[dict[str, dict]], object]) -> None:
    """Edit the crate's metadata, its entities by id, and list everything anew."""
    content = read_json("ro-crate-metadata.json")
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    edit(entities)
    write_json("ro-crate-metadata.json", content | {"@graph": list(entities.values())}, indent=4)
    Path("crate.sha256").write_text(listing(Path()))


def problems_of(name: str) -> str:
    """What the checks of files say that is wrong with a file of the crate in the current folder; no other has any."""
    findings = [finding for outcome in quick(small(checkout=False)) for finding in outcome.findings]
    assert {finding.file for finding in findings} == {name}
    return "; ".join(finding.problem for finding in findings)


def test_what_a_crate_should_hold_is_missed_however_it_is_described(unpacked):
    name = f"{DATA}/daylight/dataset.json"
    digest, size = sha256(name), Path(name).stat().st_size
    Path(name).unlink()
    describe(lambda entities: None)
    assert {"is missing", "has not the bytes"} <= words(problems_of(name))

    def leave_out(entities: dict[str, dict]) -> None:
        entities[f"#{name}"] = entities.pop(name) | {"@id": f"#{name}", "sha256": "0" * 64}

    describe(leave_out)
    assert {"has sha256 0", "is left out with sha256 0"} <= words(problems_of(name))
    describe(lambda entities: entities[f"#{name}"].update(sha256=digest))
    assert problems_of(name) == "is left out, but a crate holds every file like it"
    describe(lambda entities: entities[f"#{name}"].update(contentSize=str(size + 2**30)))
    assert "but the records say otherwise" in problems_of(name)


def words(text: str) -> set[str]:
    """The known beginnings of sentences about problems."""
    known = ("is missing", "has not the bytes", "has sha256 0", "is left out with sha256 0")
    return {begin for begin in known if any(problem.startswith(begin) for problem in text.split("; "))}


def test_what_a_crate_leaves_out_has_the_hash_that_records_name(unpacked):
    name = f"{DATA}/daylight/images.zip"
    describe(lambda entities: entities[f"#{name}"].update(sha256="0" * 64))
    assert {"has sha256 0", "is left out with sha256 0"} <= words(problems_of(name))
    describe(lambda entities: entities.pop(f"#{name}"))
    assert "is missing" in words(problems_of(name))


def test_a_crate_with_files_that_are_listed_anew_but_described_otherwise_is_found(unpacked):
    Path("README.md").write_text("other words")
    Path("LICENSE").unlink()
    Path("added.py").write_text("print()")
    describe(
        lambda entities: entities.update({"#CITATION.cff": entities.pop("CITATION.cff") | {"@id": "#CITATION.cff"}})
    )
    found = problems(crate, checkout=False)
    assert "has not the bytes" in found.pop("README.md")
    assert "or is missing" in found.pop("LICENSE")
    assert "is not described" in found.pop("added.py")
    assert "but ro-crate-metadata.json says that it is left out" in found.pop("CITATION.cff")
    assert not found


# --- locks ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def locked(tmp_path_factory) -> Path:
    """A project of which DVC has recorded one stage with files, a folder and an executable."""
    root = tmp_path_factory.mktemp("locked") / "project"
    (root / "config").mkdir(parents=True)
    (root / "config/small.yaml").write_text("training: {epochs: 3, learning_rate: 0.002}\nseed: 5\n")
    (root / "config/config.yaml").write_text("profile: small\n")
    (root / "Snakefile").touch()
    (root / "run.sh").write_text("mkdir -p data; cp config/config.yaml data/a; cp run.sh data/b; echo made > out\n")
    (root / "run.sh").chmod(0o755)
    stage = {
        "cmd": "./run.sh", "deps": ["run.sh", "config/config.yaml", "config/small.yaml"], "outs": ["data", "out"],
    }  # fmt: skip
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage}}))
    checkout = Checkout(root)
    for command in (("git", "init", "--quiet"), ("dvc", "init", "--quiet"), ("dvc", "repro", "--quiet")):
        checkout(*command)
    return root


def test_every_flipped_byte_of_a_lock_is_found_and_a_lock_from_before_is_one_finding(locked, tmp_path):
    assert dvc_lock(Project(locked, "small")).findings == []
    count, missed = undetected(locked, "small", {"lock": (["dvc.lock"], 100, dvc_lock)})
    assert (count, missed) == (100, [])
    root = shutil.copytree(locked, tmp_path / "copy")
    for name in ("out", "data/b"):
        (root / name).write_text("made anew")
    [finding] = dvc_lock(Project(root, "small")).findings
    assert "(and 1 more such)" in finding.problem


@pytest.mark.parametrize(
    ("file", "old", "new", "word"),
    [
        ("out", "made", "forged", "stage train: out is another file now"),
        ("data/b", "mkdir", "touch", "stage train: data is another file now"),
        ("config/small.yaml", "0.002", "0.004", "stage train: config/small.yaml is another file now"),
        ("dvc.yaml", "./run.sh", "./run", "stage train: is not the stage of dvc.yaml"),
        ("dvc.yaml", "train", "trained", "has other stages than dvc.yaml: train, trained"),
    ],
)  # fmt: skip
def test_a_lock_of_other_files_settings_or_commands_is_named(locked, tmp_path, file, old, new, word):
    root = shutil.copytree(locked, tmp_path / "copy")
    (root / file).chmod(0o644)
    Checkout(root).edit(file, old, new)
    problems = [finding.problem for finding in dvc_lock(Project(root, "small")).findings]
    assert any(word in problem for problem in problems)
    assert word.startswith("has other") or [p for p in problems if "run `maccap dvc record --profile small`" in p]


# --- interrupts ----------------------------------------------------------------------------------------------------
def never_ending(finished: Path, folder: Path, number: int, handler: int, first: str = "") -> subprocess.Popen:
    """`maccap verify` whose workers never end; pytest-xdist or nohup may ignore a signal that it is to heed."""
    (folder / "verify.py").write_text(
        "from maccap.steps import runner; from tests.helpers import small_project; from maccap.__main__ import run\n"
        f"{first}if __name__ == '__main__': runner.run_jobs = small_project.never_end; run()"
    )
    return subprocess.Popen(
        [sys.executable, folder / "verify.py", "verify"],
        cwd=finished, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "BEGUN": str(folder / "begun"), "TMPDIR": str(folder)},
        preexec_fn=lambda: signal.signal(number, handler),
    )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks at processes in /proc: needs Linux")
@pytest.mark.parametrize("when", ["a worker starts", "a worker works"])
@pytest.mark.parametrize(
    ("send", "number", "word"),
    [
        (os.kill, signal.SIGINT, "interrupted"), (os.killpg, signal.SIGINT, "interrupted"),
        (os.kill, signal.SIGTERM, "terminated"), (os.killpg, signal.SIGTERM, "terminated"),
        (os.kill, signal.SIGHUP, "terminated"),
    ],
    ids=["to it alone", "to all, as Ctrl-C", "SIGTERM to it alone", "SIGTERM to all, as a scheduler", "SIGHUP"],
)  # fmt: skip
def test_an_interrupt_is_one_line_and_leaves_no_process(finished, tmp_path, when, send, number, word):
    process = never_ending(finished, tmp_path, number, signal.SIG_DFL)

    def ready() -> bool:
        if when == "a worker works":
            return (tmp_path / "begun").exists()
        children = []
        for path in Path(f"/proc/{process.pid}/task").glob("*/children"):
            with suppress(OSError):  # its thread has ended
                children += path.read_text().split()
        return len(children) > 1  # one is its tracker

    while not ready():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    send(process.pid, number)
    _, told = process.communicate(timeout=60)  # of all processes: a worker that stays would keep it waiting
    assert (process.returncode, told) == (128 + number, f"maccap verify: {word}\n")
    assert {path.name for path in tmp_path.iterdir()} <= {"verify.py", "begun"}


TERMINATED_WITH_A_SEMAPHORE = """
import os, signal
from multiprocessing import resource_tracker as tracker
register = tracker.register
def registered(*what):
    register(*what)
    os.kill(os.getpid(), signal.SIGTERM)
tracker.register = registered
"""


def test_an_interrupt_while_the_pool_of_processes_is_made_leaves_no_semaphore(finished, tmp_path):
    process = never_ending(finished, tmp_path, signal.SIGTERM, signal.SIG_DFL, TERMINATED_WITH_A_SEMAPHORE)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (128 + signal.SIGTERM, "maccap verify: terminated\n")


def test_a_killed_command_leaves_no_process(finished, tmp_path):
    process = never_ending(finished, tmp_path, signal.SIGINT, signal.SIG_DFL)
    wait_for((tmp_path / "begun").exists)
    process.kill()
    process.communicate(timeout=60)  # until every process has closed its end of the pipe


def test_under_nohup_a_closed_terminal_ends_no_worker(finished, tmp_path):
    process = never_ending(finished, tmp_path, signal.SIGHUP, signal.SIG_IGN)
    wait_for((tmp_path / "begun").exists)
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    for worker in workers:
        worker.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert [worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers] == [True, True]
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)


# --- what Snakemake and DVC made -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def driven(tmp_path_factory) -> Checkout:
    """A checkout whose miniature profile Snakemake has finished and DVC recorded."""
    checkout = make_checkout(tmp_path_factory.mktemp("driven") / "work")
    checkout.snakemake_run()
    checkout.record()
    return checkout


@pytest.mark.drivers
def test_nothing_is_wrong_with_what_snakemake_and_dvc_made(driven):
    with opened(driven.folder) as own:
        outcomes = verify(own, real_jobs)
    assert [finding for outcome in outcomes for finding in outcome.findings] == []
    assert all(outcome.files for outcome in outcomes)
    assert not any("last bit" in note for outcome in outcomes for note in outcome.notes)


@pytest.mark.drivers
def test_every_flipped_byte_of_a_checkout_is_found(driven):
    root = driven.folder
    own = Project(root, "tiny")
    lists = [name for name in own.outputs if name.endswith(".sha256")]
    by_kind: dict[str, list[str]] = {}
    for name in sorted(set(own.outputs) - set(lists)):
        by_kind.setdefault(name.split(".", 1)[1], []).append(name)
    snakemake = [str(snakemake_record(name)) for name in own.outputs if (root / snakemake_record(name)).is_file()]
    of_lists = {str(snakemake_record(name)) for name in lists}
    kinds: dict[str, tuple[list[str], int, Check]] = {kind: (files, 8, artifacts) for kind, files in by_kind.items()}
    kinds |= {
        "list": (lists, 20, artifacts),
        "record": (sorted(own.jobs), 60, records),
        "Snakemake record": (sorted(set(snakemake) - of_lists), 60, manifest),
        "config": (["config/config.yaml", "config/base.yaml", "config/tiny.yaml"], 20, manifest),
        "lock": (["dvc.lock"], 60, dvc_lock),
    }
    count, missed = undetected(root, "tiny", kinds)
    assert missed == []
    assert count >= 300
