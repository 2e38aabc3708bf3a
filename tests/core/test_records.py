"""Records say what is true of a job, come back as they were written, and name the code's version."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from maccap import __version__
from maccap.core.artifacts import sha256
from maccap.core.errors import DataError, EnvironmentProblem
from maccap.core.job import Job
from maccap.core.records import Record, Records, made_since, now, read_record, record_of, record_path, write_record
from tests.helpers import ROOT
from tests.helpers.checkout import Checkout

Made = Callable[..., Record]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Makes files of one job in the current folder, and their record."""
    monkeypatch.chdir(tmp_path)

    def make(outputs: list[str], inputs: dict[str, list[str]], **settings: object) -> Record:
        for path in map(Path, outputs):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {path}")
        sources = {name: list(map(Path, paths)) for name, paths in inputs.items()}
        return read_record(write_record("train", Job(sources, list(map(Path, outputs)), settings), now()))

    return make


def test_a_record_lies_beside_the_first_output_and_is_true(made: Made) -> None:
    Path("weights").mkdir()
    Path("weights/w.bin").write_bytes(b"weights")
    Path("in.txt").write_text("source")
    started, out = now(), ["artifacts/a.json", "artifacts/b.txt"]
    settings = {"training.copies": 10, "seed": 3, "trained": "coco", "tested": ["coco", "flickr30k"]}
    record = made(out, {"text": ["in.txt"], "encoder": ["weights"], "absent": []}, **settings)
    assert record.path == str(record_path(out[0])) == "artifacts/a.json.prov.json"
    assert {path: file.model_dump() for path, file in record.outputs.items()} == {
        path: {"sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(), "size": Path(path).stat().st_size}
        for path in out
    }
    assert record.inputs == {"text": {"in.txt": sha256("in.txt")}, "encoder": {"weights": sha256("weights")}}
    assert record.sources == {"in.txt": sha256("in.txt"), "weights": sha256("weights")}
    assert (record.step, record.settings) == ("train", settings)
    assert record.about == {"trained": {"coco"}, "tested": {"coco", "flickr30k"}}
    assert record.command == f"maccap step --again {record.path}"
    assert record.job == Job(
        {"text": [Path("in.txt")], "encoder": [Path("weights")]}, list(map(Path, out)), settings
    ), "the same job again"
    assert record.python == platform.python_version()
    assert record.packages.keys() >= {"torch", "numpy"}
    assert all(metadata.version(name) == version for name, version in record.packages.items())
    assert record.code.package == __version__
    assert (record.host["cores"], record.host["system"]) == (len(os.sched_getaffinity(0)), platform.system())
    assert platform.node() not in record.host.values()
    assert started <= record.started <= record.ended <= now()
    assert record.seal == hashlib.sha256(record.model_dump_json(exclude={"seal"}).encode()).hexdigest()
    assert record.text() == Path(record.path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "cannot be read"), ("{", "not a record (as a whole: "), ({"step": 3}, "not a record (step: "),
        ({"surprise": 1}, "not a record (surprise: "), ({"outputs": {}}, "not a record (outputs: "),
        ({"outputs": {"a": {"sha256": "0", "size": 1}}}, "not a record (outputs.a.sha256: "),
        ({"started": "2024-01-01T00:00:00"}, "not a record (started: "),
    ],
    ids=repr,
)  # fmt: skip
def test_a_file_that_is_no_record_is_named_with_the_place_of_its_fault(made, change, words):
    good = made(["artifacts/good"], {})
    path = Path(made(["artifacts/bad"], {}).path)
    content = json.loads(path.read_text())
    path.unlink()
    if change is not None:
        path.write_text(change if isinstance(change, str) else json.dumps(content | change))
    with pytest.raises(DataError) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "run the job again that makes it" in str(caught.value)
    known = Records()
    assert known.by_path == {good.path: good}
    assert known.damaged == ({} if change is None else {str(path): str(caught.value)})


def test_records_are_found_by_the_files_that_jobs_made(made: Made, tmp_path: Path) -> None:
    Path("source").write_text("x")
    first = made(["artifacts/one", "artifacts/two"], {"text": ["source"]})
    second = made(["artifacts/three"], {"a": ["artifacts/two"], "b": ["source"]})
    third = made(["results/four"], {"a": ["artifacts/three", "artifacts/one"]})
    made(["elsewhere/five"], {"a": ["results/four"]})
    known = Records(tmp_path)
    assert known.by_path == {record.path: record for record in (first, second, third)}
    assert known.of("artifacts/two") == known.of(Path("artifacts/one")) == first
    assert known.of("source") is None
    assert known.of("elsewhere/five") is None, "jobs write into artifacts and results"
    assert known.behind(["results/four", "artifacts/two"]) == [third, first, second]
    assert known.behind(["source"]) == []
    shutil.copytree("artifacts", "results/of yesterday")
    assert Records(tmp_path).of("artifacts/two").path == "artifacts/one.prov.json"
    assert Records(tmp_path).behind(["results/four"]) == [third, second, first], "copies of records take no place"
    shutil.rmtree("results/of yesterday")
    Path("artifacts").rename("disk")
    Path("artifacts").mkdir()
    Path("artifacts/world").symlink_to("../disk")
    assert len(Records(tmp_path).by_path) == 3, "a profile's folder may be a link to another disk"


def test_the_same_job_of_another_process_is_known_by_all_that_decides_it(made: Made) -> None:
    Path("source").write_text("x")
    before = b""
    record = made(["artifacts/one", "artifacts/two"], {"text": ["source"]}, rate=1e-3, sizes=(1, 2))
    job = Job({"text": [Path("source")]}, record.job.outputs, {"rate": 1e-3, "sizes": (1, 2)})
    assert made_since(before, "train", job)
    assert not made_since(record_of(job), "train", job), "it was there before"
    assert not made_since(before, "predict", job)
    assert not made_since(before, "train", replace(job, settings=job.settings | {"rate": 1e-2}))
    found = record_of(job)
    made(["artifacts/one", "artifacts/two"], {"text": ["source"]}, rate=1e-3, sizes=(1, 2))
    assert made_since(found, "train", job), "once more, whatever the clock of the other machine says"
    Path("artifacts/two").write_text("other")
    assert not made_since(before, "train", job)
    Path("artifacts/two").unlink()
    assert not made_since(before, "train", job)
    made(["artifacts/one", "artifacts/two"], {"text": ["source"]}, rate=1e-3, sizes=(1, 2))
    Path("source").write_text("y")
    assert not made_since(before, "train", job)
    Path("artifacts/one.prov.json").unlink()
    assert not made_since(before, "train", job)


# --- the version of the code ---------------------------------------------------------------------------------------
PRINT_VERSION = "from maccap.core.records import code_version; print(code_version().model_dump_json())"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of the few files that tell the version, as a folder outside any repository."""
    (tmp_path / "maccap/core").mkdir(parents=True)
    core = ("__init__", "allocation", "artifacts", "errors", "holding", "job", "records", "strict")
    for name in ("__init__.py", *(f"core/{name}.py" for name in core)):
        shutil.copy(ROOT / "maccap" / name, tmp_path / "maccap" / name)
    (tmp_path / "notes.txt").write_text("notes")
    return Checkout(tmp_path)


def version(checkout: Checkout) -> dict:
    return json.loads(checkout("python", "-B", "-c", PRINT_VERSION))


def start(checkout: Checkout) -> str:
    """Make it a repository with one commit; its name."""
    if not shutil.which("git"):
        pytest.skip("needs git: install it")
    checkout("git", "init", "-q")
    checkout.commit()
    return checkout("git", "rev-parse", "HEAD").strip()


def test_in_a_checkout_the_record_names_the_commit_and_whether_the_code_was_changed(checkout: Checkout) -> None:
    clean = {"package": __version__, "commit": start(checkout), "dirty": False}
    assert version(checkout) == clean
    checkout.append("notes.txt", " of others")
    (checkout.folder / "config").mkdir()
    (checkout.folder / "config/mine.yaml").write_text("profile: mine\n")
    assert version(checkout) == clean, "a record has its settings itself"
    (checkout.folder / "config/my \u00fc.yaml").write_text("profile: mine\n")
    assert version(checkout) == clean, "whatever its name"
    method = checkout.folder / "maccap/mine.py"
    method.write_text("")
    assert version(checkout) == clean | {"dirty": True}, "code that the commit lacks"
    method.unlink()
    checkout.append("maccap/core/errors.py", "# changed\n")
    assert version(checkout) == clean | {"dirty": True}


def test_a_project_inside_a_larger_repository_has_its_own_code_looked_at(checkout: Checkout, tmp_path: Path) -> None:
    project = Checkout(tmp_path / "below/project")
    (tmp_path / "below").mkdir()
    shutil.copytree(tmp_path / "maccap", project.folder / "maccap")
    clean = {"package": __version__, "commit": start(checkout), "dirty": False}
    assert version(project) == clean
    project.append("maccap/core/errors.py", "# changed\n")
    assert version(project) == clean | {"dirty": True}
    assert version(checkout) == clean, "other code of the repository is not the project's"


@pytest.mark.parametrize("around", ["no repository", "no git", "somebody else's repository", "another user's folder"])
def test_code_outside_a_checkout_of_its_own_is_named_by_the_package_version_alone(checkout, monkeypatch, around):
    if around == "no git":
        monkeypatch.setenv("PATH", "")
    if around == "another user's folder":
        checkout.variables = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    if around == "somebody else's repository":
        (checkout.folder / ".gitignore").write_text("/maccap/\n")
        start(checkout)
    assert version(checkout) == {"package": __version__, "commit": None, "dirty": None}


def test_git_says_what_to_do_about_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    Checkout(tmp_path)("git", "init", "--quiet")
    assert Records(tmp_path).tracked == {""}
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(
        EnvironmentProblem, match=rf"^{tmp_path}: git says: .*dubious ownership.* safe\.directory [^\n]*$"
    ):
        _ = Records(tmp_path).tracked
