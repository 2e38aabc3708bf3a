"""Snakemake and DVC drive the same graph: real tools on temporary checkouts with a miniature profile.

The first tests only plan. `make test-drivers` runs all of them (marker `drivers`; about a quarter of an hour).
"""

import gzip
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import requests

from maccap.graph.pipeline import own_folders
from maccap.lineage.snakemake_private import snakemake_record
from tests.helpers import ROOT, wait_for
from tests.helpers.checkout import Checkout, make_checkout, ran, restored

READS = {  # every job of the miniature profile: the jobs whose files it reads
    "scenes-daylight": "",
    "captions-daylight": "scenes-daylight",
    "contents-daylight": "scenes-daylight",
    "text-features-daylight": "captions-daylight",
    "image-features-daylight-1": "scenes-daylight captions-daylight",
    "train-daylight-maccap-2401": "captions-daylight text-features-daylight",
    "describe-run-daylight-maccap-2401": "train-daylight-maccap-2401",
    "predict-daylight-maccap-1": (
        "train-daylight-maccap-2401 image-features-daylight-1 captions-daylight text-features-daylight"
    ),
    "evaluate-daylight": "predict-daylight-maccap-1 captions-daylight contents-daylight",
    "gap-daylight": "captions-daylight text-features-daylight image-features-daylight-1",
    "table-in-domain": "evaluate-daylight",
    "table-nearness": "gap-daylight",
    "captions-figure-in-domain": "evaluate-daylight",
    "reported": "evaluate-daylight",
    "gap-figure": "gap-daylight",
    "training-figure": "train-daylight-maccap-2401",
    "samples": "scenes-daylight captions-daylight image-features-daylight-1 predict-daylight-maccap-1 "
    "evaluate-daylight",
    "example-figure": "samples",
    "report": "table-in-domain table-nearness reported captions-figure-in-domain gap-figure training-figure "
    "samples sample-page example-figure",
    "sample-page": "samples",
    "manifest": "report sample-page example-figure",
}


def down(*first: str) -> set[str]:
    """These jobs and all below them."""
    found = set(first)
    while more := {job for job, above in READS.items() if found & set(above.split())} - found:
        found |= more
    assert found <= set(READS)
    return found


LABELLED = down("table-in-domain", "captions-figure-in-domain", "reported", "samples", "training-figure")
DECODED = down("predict-daylight-maccap-1")
DESCRIBED = down("describe-run-daylight-maccap-2401")
TRAINED = down("train-daylight-maccap-2401")
SEED_ADDED = {"train-daylight-maccap-2402", "describe-run-daylight-maccap-2402"} | DECODED | down("training-figure")
EVERYTHING = down("scenes-daylight")


@pytest.fixture(scope="session")
def planned(tmp_path_factory) -> Checkout:
    """A checkout in which nothing has run."""
    return make_checkout(tmp_path_factory.mktemp("planned") / "work")


def test_every_job_is_a_stage_with_all_that_decides_it(planned):
    assert planned.snakemake_plan() == planned.dvc_plan() == EVERYTHING
    train = planned.stages()["train-daylight-maccap-2401"]
    assert "artifacts/tiny/data/daylight/captions.train.jsonl" in train["deps"]
    [decided] = planned.decisions("train-daylight-maccap-2401")
    assert decided["settings"]["training.learning_rate"] == 0.002
    sections = {key.split(".")[0] for key in decided["settings"]}
    assert sections == {"encoder", "gpus", "language_model", "runs", "training", "trained", "run", "run_seed"}


def test_an_edit_changes_the_code_of_the_stages_that_it_reaches_and_of_no_other(planned):
    before = {stage: planned.decisions(stage) for stage in planned.stages()}
    for path, reached in (
        ("maccap/training/trainer.py", {"train-daylight-maccap-2401"}),
        ("maccap/methods/maccap.py", {"train-daylight-maccap-2401", "predict-daylight-maccap-1"}),
        (
            "maccap/metrics/caption_metrics/cider.py",
            {"evaluate-daylight", "table-in-domain", "table-nearness", "captions-figure-in-domain", "reported"},
        ),
    ):
        source = planned.text(path)
        (planned.folder / path).write_text(source + "\n")
        planned.sync("--check")
        assert {stage for stage in before if planned.decisions(stage) != before[stage]} == reached, path
        (planned.folder / path).write_text(source)
    planned.sync("--check")
    assert {stage: planned.decisions(stage) for stage in before} == before


def test_a_folder_of_one_job_is_one_path_and_a_shared_one_is_not(planned):
    jobs = [
        SimpleNamespace(inputs=[], outputs=outputs)
        for outputs in (["own/a", "own/b"], ["shared/a", "shared/b"], ["shared/c"], ["single/a"])
    ]
    assert own_folders(jobs) == {"own": {"own/a", "own/b"}}
    stages = planned.stages()
    predictions = "artifacts/tiny/predictions/daylight/maccap.1.jsonl.gz"
    assert stages["predict-daylight-maccap-1"]["outs"][0] == predictions
    assert predictions in stages["evaluate-daylight"]["deps"]
    table = "results/tiny/tables/in_domain.json"
    assert {table, f"{table}.prov.json"} <= set(stages["table-in-domain"]["outs"]), "other jobs write there, too"
    log = "artifacts/tiny/runs/daylight/maccap/s2401/log.jsonl"
    assert log in stages["training-figure"]["deps"], "it reads no other"


def test_no_job_names_a_file_twice(planned):
    """Snakemake's record of such a job lists it twice, which `maccap verify` takes for a forged one."""
    out = planned("snakemake", "--dry-run")
    read = [line.strip().removeprefix("input: ").split(", ") for line in out.splitlines() if "    input: " in line]
    assert len(read) >= len(READS) - 1
    assert [paths for paths in read if len(set(paths)) < len(paths)] == []


def test_jobs_that_are_stale_together_are_one_stage(planned):
    report = planned.stages()["report"]
    pages = ("report.html", "trace.html", "tables/numbers.tex", "files.sha256", "setup.sha256")
    assert {f"results/tiny/{page}" for page in pages} <= set(report["outs"])
    assert "--allowed-rules report manifest -- results/tiny/report.html results/tiny/files.sha256" in report["cmd"]
    assert "config/tiny.yaml" in report["deps"]
    planned.sync("--check")
    assert [job["rule"] for job in planned.decisions("report")] == ["report", "manifest"]
    assert {"steps.report", "steps.manifest"} <= set(planned.decisions("report")[0]["code"].split())
    assert not set(report["deps"]) & set(report["outs"])


@pytest.mark.drivers
def test_the_pipeline_is_deterministic_and_its_check_sees_drift(planned):
    text = planned.text("dvc.yaml")
    planned.sync("--check", "--profile", "tiny")
    assert planned.text(".snakemake/dvc-tiny-matches") == "the pipeline of profile tiny matches the Snakemake graph\n"
    planned.edit("config/tiny.yaml", "repeats: 1", "repeats: 2")
    out = planned.sync("--check", "--profile", "tiny", fails=True)
    assert "does not match the Snakemake graph (" in out
    assert "run `maccap dvc sync`" in out
    assert planned.text("dvc.yaml") == text
    planned.sync("--profile", "tiny")
    assert "- artifacts/tiny/runs/daylight/maccap/s2402/adaptor.safetensors\n" in planned.text("dvc.yaml")
    planned.edit("config/tiny.yaml", "repeats: 2", "repeats: 1")
    planned.sync("--profile", "tiny")
    assert planned.text("dvc.yaml") == text


def test_this_projects_own_pipeline_matches_its_graph(planned):
    planned("git", "stash", "--quiet", "--include-untracked")
    planned.edit("config/config.yaml", "profile: tiny", "profile: mini")
    shutil.copy(ROOT / "dvc.yaml", planned.folder / "dvc.yaml")
    planned.sync("--check", "--profile", "mini")
    planned("git", "checkout", "--quiet", "--force", ".")


def test_parameters_from_elsewhere_than_the_config_decide_a_job(planned):
    decided = []
    for value in (1, 1, 2):
        planned.edit("workflow/rules/results.smk", "cfg=pick(\n", f"extra={value},\n        cfg=pick(\n")
        planned.sync("--check")
        decided.append((planned.decisions("table-in-domain"), planned.decisions("train-daylight-maccap-2401")))
        planned("git", "checkout", "--quiet", "--force", ".")
    assert decided[0] == decided[1] != decided[2]
    assert decided[0][1] == decided[2][1]


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Checkout:
    """A checkout that Snakemake has run, recorded, committed and pushed to a DVC remote in a local folder."""
    folder = tmp_path_factory.mktemp("built")
    checkout = make_checkout(folder / "work")
    assert f"stale ({len(READS)} jobs in all); run `snakemake --cores all`" in checkout.record(fails=True)
    assert checkout.snakemake_run() == EVERYTHING
    checkout.record()
    checkout("dvc", "remote", "add", "--default", "here", str(folder / "remote"))
    checkout.commit("results")
    checkout("dvc", "push", "--quiet", "--run-cache")
    return checkout


def agree_on_nothing(checkout: Checkout) -> None:
    assert checkout.snakemake_plan() == set()
    assert "up to date" in checkout("dvc", "status")


@pytest.mark.drivers
@pytest.mark.parametrize("link", ["copy", "symlink", "hardlink"])
def test_a_clone_that_pulled_has_nothing_to_do(built, tmp_path, link):
    clone = built.clone(tmp_path / "clone", link=link)
    agree_on_nothing(clone)
    assert clone.dvc_run() == set()
    assert clone("git", "status", "--porcelain") == ""


@pytest.fixture
def bucket(monkeypatch) -> Iterator[str]:
    """The address of a bucket `results` of an S3 server on this machine."""
    wanted = ("dvc_s3", "flask_cors", "moto", "py_partiql_parser")
    if missing := [name for name in wanted if not importlib.util.find_spec(name)]:
        pytest.skip(f"no {', '.join(missing)}: pip install --requirement requirements.lock")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        assert requests.put(f"{url}/results", timeout=10).ok
        yield url
    finally:
        server.stop()


@pytest.mark.drivers
def test_a_clone_that_pulled_from_an_object_store_has_nothing_to_do(built, tmp_path, bucket):
    made = built.clone(tmp_path / "made")
    made("dvc", "remote", "add", "--default", "store", "s3://results/maccap")
    made("dvc", "remote", "modify", "store", "endpointurl", bucket)
    made.commit("the store")
    made("dvc", "push", "--quiet")
    assert "files/md5" in requests.get(f"{bucket}/results", timeout=10).text
    clone = made.clone(tmp_path / "clone")
    agree_on_nothing(clone)
    assert clone.dvc_run() == set()
    assert "all is as the records say" in clone("python", "-m", "maccap", "verify")
    assert clone.data_hashes() == built.data_hashes()
    assert clone("git", "status", "--porcelain") == ""


@pytest.mark.drivers
def test_one_table_alone_can_be_pulled(built, tmp_path):
    clone = built.clone(tmp_path / "clone", "table-in-domain")
    results = clone.folder / "results/tiny"
    found = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    tables = {f"tables/in_domain.{suffix}" for suffix in ("json", "metrics.json", "csv", "md", "tex", "html")}
    assert found == {*tables, "tables/in_domain.json.prov.json"}
    assert not (clone.folder / "artifacts").exists()
    assert clone.snakemake_plan("--", "results/tiny/tables/in_domain.md") == set()


@pytest.mark.drivers
def test_touching_every_file_changes_nothing(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    time.sleep(1)
    files = [path for path in clone.folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    for path in sorted(files, key=lambda path: hash(path)):
        if not {".dvc", ".snakemake"} & set(path.parts):
            path.touch()
    agree_on_nothing(clone)
    assert clone.dvc_run() == set()


def replace_image(checkout: Checkout) -> None:
    """Another image in the data set, accepted by DVC as what its stage made."""
    path = checkout.folder / "artifacts/tiny/data/daylight/images.zip"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        content = {name: archive.read(name) for name in names}
    content[names[0]] = content[names[1]]
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content[name])
    checkout("dvc", "commit", "--force", "--quiet", "scenes-daylight")


def edit(path: str, old: str, new: str) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.edit(path, old, new)


def comment(path: str) -> Callable[[Checkout], None]:
    return lambda checkout: checkout.append(path, "# a comment\n")


def swap_keys(checkout: Checkout) -> None:
    """The first two training settings in the other order."""
    found = re.search(r"^training:\n(  .*\n)(  .*\n)", checkout.text("config/tiny.yaml"), re.MULTILINE)
    assert found
    first, second = found.groups()
    checkout.edit("config/tiny.yaml", first + second, second + first)


def edit_and_sync(path: str, old: str, new: str) -> Callable[[Checkout], None]:
    def change(checkout: Checkout) -> None:
        checkout.edit(path, old, new)
        checkout.sync()

    return change


CHANGES = {
    "a training parameter": (edit("config/tiny.yaml", "learning_rate: 0.002", "learning_rate: 0.003"), TRAINED),
    "a decoding parameter": (edit("config/tiny.yaml", "beams: 1", "beams: 2"), DECODED | DESCRIBED),
    "a parameter of decoding and gap": (edit("config/tiny.yaml", "subregions: 2", "subregions: 3"),
                                        DECODED | DESCRIBED | down("gap-daylight")),
    "the order of two keys": (swap_keys, {"report", "manifest"}),
    "a seed added": (edit_and_sync("config/tiny.yaml", "repeats: 1", "repeats: 2"), SEED_ADDED),
    "a dataset size": (edit("config/tiny.yaml", "test: 8", "test: 9"), EVERYTHING),
    "a library module of decoding": (comment("maccap/inference/captioning.py"), DECODED),
    "a library module of training": (comment("maccap/training/trainer.py"), TRAINED),
    "the module of the caption metrics": (comment("maccap/metrics/captions.py"), down("evaluate-daylight")),
    "the module of one caption metric": (comment("maccap/metrics/caption_metrics/cider.py"),
                                         down("evaluate-daylight", "table-nearness")),
    "the module of the tables": (comment("maccap/tables/build.py"), down("table-in-domain", "table-nearness")),
    "the module of one table": (comment("maccap/tables/published.py"), down("reported")),
    "the module of the report": (comment("maccap/report/page.py"), down("report")),
    "a module under everything": (comment("maccap/core/artifacts.py"), EVERYTHING),
    "a label": (edit("config/tiny.yaml", "label: MacCap\n", "label: Ours\n"), LABELLED),
    "the title of a table": (edit("config/tiny.yaml", "title: In-domain", "title: Ours"),
                             down("table-in-domain", "captions-figure-in-domain")),
    "a reported number": (edit("published.csv", "49.3", "49.4"), down("reported")),
    "an image replaced": (replace_image, down("image-features-daylight-1", "samples")),
    "the command of a rule": (edit("workflow/rules/evaluate.smk", '"measure_gap"),', '"measure_gap" ),'), set()),
    "another command of all rules": (edit("workflow/rules/common.smk", "> {log} 2>&1", ">> {log} 2>&1"), EVERYTHING),
    "a comment in the config": (comment("config/tiny.yaml"), {"report", "manifest"}),
    "the template of the samples' page": (comment("maccap/report/samples.html.j2"), down("sample-page")),
    "a comment in an unrelated module": (comment("maccap/cli/caption.py"), set()),
}  # fmt: skip


@pytest.fixture(scope="session")
def changed(built, tmp_path_factory) -> Checkout:
    return built.clone(tmp_path_factory.mktemp("changed") / "clone")


@pytest.mark.drivers
@pytest.mark.parametrize("change", CHANGES)
def test_both_plan_the_same_jobs_and_no_others(changed, change):
    changed.restore()
    make, expected = CHANGES[change]
    make(changed)
    assert changed.snakemake_plan() == expected
    assert changed.dvc_plan() == expected


@pytest.fixture(scope="session")
def learned(built, tmp_path_factory) -> Checkout:
    """A clone in which `dvc repro` has followed a change of the learning rate."""
    clone = built.clone(tmp_path_factory.mktemp("learned") / "clone")
    CHANGES["a training parameter"][0](clone)
    assert clone.dvc_run() == TRAINED
    agree_on_nothing(clone)
    assert clone.dvc_run() == set()
    return clone


@pytest.mark.drivers
def test_what_changed_can_be_looked_at(learned):
    assert "training.learning_rate" in learned("dvc", "params", "diff")
    assert "CIDEr" in learned("dvc", "metrics", "show")
    old_and_new = json.loads(learned("dvc", "metrics", "diff", "--json"))
    table = old_and_new["results/tiny/tables/in_domain.metrics.json"]
    assert {"old", "new", "diff"} <= set(table["Daylight, MacCap.CLIPScore"])
    learned("dvc", "plots", "diff", "HEAD", "workspace")
    assert "loss (nats per token)" in (learned.folder / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert (learned.folder / "dvc_plots/static/workspace_results_tiny_figures_gap.png").is_file()
    shutil.rmtree(learned.folder / "dvc_plots")


@pytest.mark.drivers
def test_snakemake_then_record_equals_dvc_repro(built, learned, tmp_path):
    clone = built.clone(tmp_path / "clone")
    CHANGES["a training parameter"][0](clone)
    assert "stale" in clone.record(fails=True)
    assert clone.snakemake_run() == TRAINED
    assert "modified" in clone("dvc", "status")
    clone.record()
    agree_on_nothing(clone)
    assert clone.dvc_run() == set()
    assert clone.data_hashes() == learned.data_hashes() != built.data_hashes()


@pytest.mark.drivers
def test_a_revert_is_restored_and_not_run(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    clone.append("maccap/inference/captioning.py", "# a comment\n")
    assert clone.dvc_run() == DECODED, "equal bytes in between stop neither tool"
    agree_on_nothing(clone)
    clone.commit()
    clone.edit("maccap/inference/captioning.py", "# a comment\n", "")
    clone("dvc", "fetch", "--quiet", "--run-cache")
    out = clone("dvc", "repro")
    assert (ran(out), restored(out)) == (set(), DECODED)
    agree_on_nothing(clone)


@pytest.mark.drivers
def test_an_output_edited_by_hand_is_not_recorded(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    clone.edit("results/tiny/tables/in_domain.tex", "MacCap", "Ours")
    assert "in_domain.tex: changed since its job wrote it" in clone.record(fails=True)


@pytest.mark.drivers
def test_a_new_seed_without_sync_fails_before_any_job(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    clone.edit("config/tiny.yaml", "repeats: 1", "repeats: 2")
    out = clone("dvc", "repro", fails=True)
    assert "run `maccap dvc sync`" in out
    assert ran(out) == set()


@pytest.mark.drivers
def test_experiments_here_and_elsewhere(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    label = "config/tiny.yaml:experiments.maccap.label"
    assert ran(clone("dvc", "exp", "run", "--temp", "-n", "elsewhere", "-S", f"{label}=Elsewhere")) == LABELLED
    agree_on_nothing(clone)
    assert "MacCap" in clone.text("results/tiny/tables/in_domain.md")
    clone("dvc", "exp", "apply", "elsewhere")
    agree_on_nothing(clone)
    assert "Elsewhere" in clone.text("results/tiny/tables/in_domain.md")
    clone.restore()
    assert ran(clone("dvc", "exp", "run", "-S", f"{label}=Here")) == LABELLED
    agree_on_nothing(clone)
    assert "Here" in clone.text("results/tiny/tables/in_domain.md")


@pytest.mark.drivers
def test_a_job_that_outlived_snakemake_is_not_recorded_but_made_again(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    table = "results/tiny/tables/nearness.json"
    record = clone.folder / f"{table}.prov.json"
    (clone.folder / table).unlink()
    record.unlink()
    (clone.folder / snakemake_record(table)).unlink()
    process = subprocess.Popen(["snakemake", "--cores", "1", "--", table], cwd=clone.folder, env=clone.environment)
    wait_for(lambda: list((clone.folder / "logs/tiny/table").glob("nearness.*")))
    process.kill()  # and not its job
    process.wait()
    assert not record.exists(), "it ended before Snakemake could be killed"
    wait_for(record.exists)
    told = clone.record(fails=True)
    assert "nearness.json: its job ended without Snakemake, which does not know of it; delete it, run" in told
    clone("snakemake", "--unlock")
    assert "table-nearness" in clone.snakemake_run()
    clone.record()
    agree_on_nothing(clone)


@pytest.mark.drivers
@pytest.mark.parametrize("tool", ["snakemake --cores 1", "dvc repro"])
def test_after_a_kill_finished_work_is_kept(built, learned, tmp_path, tool):
    clone = built.clone(tmp_path / "clone")
    CHANGES["a training parameter"][0](clone)
    adaptor = clone.folder / "artifacts/tiny/runs/daylight/maccap/s2401/adaptor.safetensors"
    predictions = clone.folder / "artifacts/tiny/predictions/daylight/maccap.1.jsonl.gz"
    before = adaptor.stat().st_mtime
    process = subprocess.Popen(tool.split(), cwd=clone.folder, env=clone.environment, start_new_session=True)
    deadline = time.monotonic() + 300
    while predictions.exists() or not adaptor.exists() or adaptor.stat().st_mtime == before:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    clone("snakemake", "--unlock")
    if tool == "dvc repro":
        again = clone.dvc_run()
    else:
        again = clone.snakemake_run()
        clone.record()
    assert "predict-daylight-maccap-1" in again
    assert "train-daylight-maccap-2401" not in again
    agree_on_nothing(clone)
    assert clone.data_hashes() == learned.data_hashes()


@pytest.mark.drivers
@pytest.mark.parametrize("file", [".dvc/tmp/rwlock", "dvc.lock"])
def test_a_file_that_a_killed_dvc_left_half_written_is_deleted_and_nothing_runs(built, tmp_path, file):
    clone = built.clone(tmp_path / "clone")
    clone("dvc", "fetch", "--quiet", "--run-cache")
    damaged = clone.folder / file
    damaged.write_text("", encoding="utf-8")
    assert file in clone("dvc", "repro", fails=True), "DVC names the file"
    damaged.unlink()
    assert clone.dvc_run() == set()
    agree_on_nothing(clone)
    assert clone("git", "status", "--porcelain") == ""


@pytest.mark.drivers
def test_another_profile_has_its_own_pipeline_and_one_command(built, tmp_path):
    clone = built.clone(tmp_path / "clone")
    other = clone.text("config/tiny.yaml").replace("profile: tiny", "profile: other")
    (clone.folder / "config/other.yaml").write_text(other, encoding="utf-8")
    clone.edit("config/other.yaml", "learning_rate: 0.002", "learning_rate: 0.004")
    clone.sync("--profile", "other")
    agree_on_nothing(clone)
    clone.append(".dvcignore", "!/pipelines/other\n")
    assert ran(clone("dvc", "repro", "pipelines/other/dvc.yaml")) == EVERYTHING
    agree_on_nothing(clone)
    assert clone.snakemake_plan("--configfile", "config/other.yaml") == set()
    assert (clone.folder / "pipelines/other/dvc.lock").is_file()
    assert (clone.folder / "results/other/tables/in_domain.md").is_file()


TOGETHER = "from pathlib import Path; from tests.helpers.in_process import run_all; run_all(Path())"
CAPTIONS_OF_EACH = """
from dataclasses import replace
from pathlib import Path
from maccap.graph.snakemake_graph import read_graph
from maccap.steps.runner import run_jobs
from tests.helpers.in_process import job_of
job = job_of(read_graph("tiny"), "predict")
for adaptor in job.inputs["adaptors"]:
    own = replace(
        job,
        inputs=job.inputs | {"adaptors": [adaptor]},
        outputs=[Path(f"{adaptor.parent.name}.jsonl")],
        settings=job.settings | {"seed": int(adaptor.parent.name[1:]), "repeats": 1},
    )
    run_jobs("predict", [own])
"""
TIMED = (".prov.json", ".sha256", "trace.html")


def files_made(checkout: Checkout) -> dict[str, bytes]:
    """What a profile's jobs made, but records, their lists and page, which hold times."""
    files = [path for name in ("artifacts/tiny", "results/tiny") for path in (checkout.folder / name).rglob("*")]
    return {
        str(path.relative_to(checkout.folder)): path.read_bytes()
        for path in files
        if path.is_file() and not path.name.endswith(TIMED)
    }


@pytest.mark.drivers
def test_seeds_as_jobs_of_their_own_make_the_bytes_of_seeds_in_one_process(tmp_path):
    apart = make_checkout(tmp_path / "apart")
    apart.edit("config/tiny.yaml", "repeats: 1", "repeats: 2")
    shutil.copytree(apart.folder, tmp_path / "together")
    together = Checkout(tmp_path / "together")
    assert {"train-daylight-maccap-2401", "train-daylight-maccap-2402"} <= apart.snakemake_run()
    together("python", "-c", TOGETHER)
    assert files_made(apart) == files_made(together)
    together("python", "-c", CAPTIONS_OF_EACH)
    rows = [line for seed in (2401, 2402) for line in together.text(f"s{seed}.jsonl").splitlines()]
    shared = together.folder / "artifacts/tiny/predictions/daylight/maccap.1.jsonl.gz"
    assert rows == gzip.decompress(shared.read_bytes()).decode().splitlines()
    runs = apart.folder / "artifacts/tiny/runs/daylight/maccap"
    assert len({(runs / seed / "adaptor.safetensors").read_bytes() for seed in ("s2401", "s2402")}) == 2
