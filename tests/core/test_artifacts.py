"""Files appear whole or not at all, a full disk is reported as such, and each record of the past is true."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest

from maccap import __version__
from maccap.core.artifacts import atomic, provenance_path, read_json, record, sha256, write_json, write_text
from maccap.core.errors import DataError, EnvironmentProblem
from tests.helpers import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(path: Path, error: BaseException) -> None:
    with atomic(path) as part:
        part.write_text("half")
        raise error


# --- atomic --------------------------------------------------------------------------------------------------------
def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "artifact.txt"
    with atomic(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert part.parent == path.parent, "a rename is atomic only inside one file system"
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["artifact.txt"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt(), SystemExit(3)]
)
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "artifact.txt"
    path.write_text("old")
    with pytest.raises(type(error)) as caught:
        fail_half_way(path, error)
    assert caught.value is error, "an error that is not about space stays what it is"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["artifact.txt"]


def test_a_failure_without_an_old_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"):
        fail_half_way(tmp_path / "artifact.txt", ValueError("no"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_everyone_can_read_a_file_and_only_its_owner_write_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "artifact.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "artifact.txt").stat().st_mode) == 0o644


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "artifact.txt"
    with atomic(path) as first:
        with atomic(path) as second:
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["artifact.txt"]


# --- a full or read-only disk --------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("where", ["in the block", "at the flush", "at the first byte"])
def test_a_write_that_finds_no_room_is_an_environment_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    path = tmp_path / "artifact.txt"
    path.write_text("old")

    def full(*args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    def write() -> None:
        with atomic(path) as part:
            part.write_text("half")
            if where == "in the block":
                full()

    if where == "at the flush":
        monkeypatch.setattr(os, "fsync", full)
    if where == "at the first byte":
        monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(EnvironmentProblem) as caught:
        write()
    assert str(path) in str(caught.value)
    assert os.strerror(number) in str(caught.value)
    assert "run again" in str(caught.value)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["artifact.txt"]


def test_a_folder_without_permission_to_write_is_an_environment_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(EnvironmentProblem, match=r"artifact\.txt.*[Pp]ermission"):
        write_text(tmp_path / "artifact.txt", "x")


ON_FULL_DISK = """
import json, os, subprocess, sys, zipfile
from pathlib import Path
import torch
from safetensors.torch import save_file
from maccap.core.artifacts import atomic, write_json, write_text
from maccap.data.features import write_store

disk = Path(sys.argv[1])
path = disk / "artifact"
large = torch.zeros(100_000)

def through(write):
    with atomic(path) as part:
        write(part)

def archive(part):
    with zipfile.ZipFile(part, "w") as file:
        file.writestr("a.jpg", bytes(200_000))

cases = {
    "text": lambda: write_text(path, "x" * 200_000),
    "json": lambda: write_json(path, ["x"] * 60_000),
    "safetensors": lambda: through(lambda part: save_file({"a": large}, part)),
    "feature store": lambda: write_store(path, {"a": large.reshape(100, -1)}, list(range(100)), "float32"),
    "torch": lambda: through(lambda part: torch.save({"a": large}, part)),
    "zip": lambda: through(archive),
    "no inode": lambda: write_text(path, "x"),
    "read-only": lambda: write_text(path, "x"),
}
path.write_text("old")
for name, write in cases.items():
    if name == "no inode":
        subprocess.run(["mount", "-o", "remount,nr_inodes=3", disk], check=True)
        (disk / "last").touch()
    if name == "read-only":
        (disk / "last").unlink()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        write()
        error = ("none", "")
    except BaseException as caught:
        error = (type(caught).__name__, str(caught))
    left = sorted(p.name for p in disk.iterdir() if p.name != "last")
    print(json.dumps([name, *error, left, path.read_text()[:9]]))
"""


def test_a_truly_full_disk_is_an_environment_problem_whoever_writes(tmp_path: Path) -> None:
    """A tmpfs of 64 KiB in a mount namespace of its own, which goes with the process."""
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=64k none "$0" || exit 77; exec "$@"'
    command = [*mounted, mount, str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a small tmpfs: run where `unshare --map-root-user --mount` works")
    script = [sys.executable, "-c", ON_FULL_DISK, str(tmp_path)]
    run = subprocess.run(
        [*command, *script], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [name for name, *_ in found] == [
        "text", "json", "safetensors", "feature store", "torch", "zip", "no inode", "read-only",
    ]  # fmt: skip
    path = tmp_path / "artifact"
    wrong = [
        f"{name}: {error}: {message} (left: {left}, {old!r})"
        for name, error, message, left, old in found
        if (error, left, old) != ("EnvironmentProblem", ["artifact"], "old")
        or str(path) not in message
        or "run again" not in message
    ]
    assert not wrong, "\n".join(wrong)


# --- JSON ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("indent", [None, 1])
def test_json_comes_back_as_it_was_written(tmp_path: Path, indent: int | None) -> None:
    value = {"a": [1, 2.5, None, True, "“Köche” 料理 \u2028 🐕"], "b": {}}
    write_json(tmp_path / "a.json", value, indent=indent)
    data = (tmp_path / "a.json").read_bytes()
    assert read_json(tmp_path / "a.json") == json.loads(data) == value
    assert "料理".encode() in data
    assert data.endswith(b"\n")


def test_json_that_is_missing_is_named_with_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file; run the rule") as caught:
        read_json(tmp_path / "none.json")
    assert f"snakemake {tmp_path / 'none.json'}" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[1] 2", b"\xff\xfe", b"{'a': 1}"], ids=repr)
def test_json_that_is_damaged_is_named_with_what_to_do(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.json: not valid JSON .*; delete it and run again"):
        read_json(tmp_path / "a.json")


def test_a_folder_in_place_of_json_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=tmp_path.name):
        read_json(tmp_path)


# --- hashes and records --------------------------------------------------------------------------------------------
def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    for data in (b"", b"abc", os.urandom(300_000)):
        (tmp_path / "f").write_bytes(data)
        assert sha256(tmp_path / "f") == hashlib.sha256(data).hexdigest()
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256(str(tmp_path / "f")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_of_a_folder_tells_names_and_contents_but_not_when_or_where(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> Path:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return tmp_path / name

    files = {"a": "1", "b/c": "2", "b/d": ""}
    first = folder("first", files)
    again = folder("again", dict(reversed(files.items())))
    os.utime(again / "a", (1, 1))
    assert sha256(first) == sha256(again)
    others = {
        "content": files | {"a": "0"}, "more": files | {"e": ""}, "less": {"a": "1", "b/c": "2"},
        "renamed": {"a": "1", "b/c": "2", "b/e": ""}, "moved": {"a": "1", "c": "2", "b/d": ""},
        "swapped": {"a": "2", "b/c": "1", "b/d": ""},
    }  # fmt: skip
    hashes = [sha256(first), *(sha256(folder(name, content)) for name, content in others.items())]
    assert len(set(hashes)) == len(hashes)


def test_a_record_lies_beside_every_output_and_is_true(tmp_path: Path) -> None:
    out = [tmp_path / "a.json", tmp_path / "b.safetensors"]
    sources = [tmp_path / "in.txt", tmp_path / "weights"]
    sources[1].mkdir()
    (sources[1] / "w.bin").write_bytes(b"weights")
    for path in (*out, sources[0]):
        path.write_text(f"content of {path.name}")
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    record(out, iter(sources), {"training.copies": 10, "seed": 3}, "maccap train --cfg x", started)
    for path in out:
        assert provenance_path(path) == Path(f"{path}.prov.json")
        past = json.loads(provenance_path(path).read_text(encoding="utf-8"))
        assert set(past) == {
            "artifact", "sha256", "command", "parameters", "inputs", "code", "python", "packages", "host", "started",
            "ended",
        }  # fmt: skip
        assert past["artifact"] == str(path)
        assert past["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert past["inputs"] == {str(source): sha256(source) for source in sources}
        assert past["parameters"] == {"training.copies": 10, "seed": 3}
        assert past["command"] == "maccap train --cfg x"
        assert past["python"] == platform.python_version()
        assert past["packages"]["torch"] == metadata.version("torch")
        assert past["packages"]["numpy"] == metadata.version("numpy")
        assert all(metadata.version(name) == version for name, version in past["packages"].items())
        assert past["code"]["package"] == __version__
        assert past["code"].keys() == {"package", "commit", "dirty"}
        assert past["host"]["cores"] == os.cpu_count()
        assert past["host"]["system"] == platform.system()
        assert platform.node() not in past["host"].values()
        assert past["started"] == started
        begin, end = (datetime.fromisoformat(past[key]) for key in ("started", "ended"))
        assert begin <= end <= datetime.now(UTC)


def test_a_record_without_inputs_has_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    record([tmp_path / "a"], [], {}, "maccap scenes", "2024-01-01T00:00:00.000+00:00")
    past = read_json(provenance_path(tmp_path / "a"))
    assert (past["inputs"], past["parameters"]) == ({}, {})


# --- the version of the code ---------------------------------------------------------------------------------------
@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the few files that tell the version, as a folder outside any repository."""
    (tmp_path / "maccap/core").mkdir(parents=True)
    for name in ("__init__.py", "core/__init__.py", "core/artifacts.py", "core/errors.py"):
        shutil.copy(ROOT / "maccap" / name, tmp_path / "maccap" / name)
    (tmp_path / "notes.txt").write_text("notes")
    return tmp_path


def version(folder: Path, **environment: str) -> dict:
    code = "import json; from maccap.core.artifacts import code_version; print(json.dumps(code_version()))"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTHON"))}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        env=kept | {"GIT_CEILING_DIRECTORIES": str(folder.parent), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def git(folder: Path, *arguments: str) -> str:
    if not shutil.which("git"):
        pytest.skip("needs git: install it")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_in_a_checkout_the_record_names_the_commit_and_whether_the_code_was_changed(checkout: Path) -> None:
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "first")
    head = git(checkout, "rev-parse", "HEAD")
    clean = {"package": __version__, "commit": head, "dirty": False}
    assert version(checkout) == clean
    (checkout / "notes.txt").write_text("other notes")
    (checkout / "maccap" / "untracked.txt").write_text("x")
    assert version(checkout) == clean
    with (checkout / "maccap/core/errors.py").open("a") as file:
        file.write("# changed\n")
    assert version(checkout) == clean | {"dirty": True}


def test_outside_a_checkout_the_record_names_the_package_version_alone(checkout: Path) -> None:
    assert version(checkout) == {"package": __version__, "commit": None, "dirty": None}


def test_a_machine_without_git_can_record_too(checkout: Path) -> None:
    assert version(checkout, PATH="") == {"package": __version__, "commit": None, "dirty": None}


def test_the_commit_of_a_repository_around_an_installed_package_is_not_taken_for_its_own(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("/maccap/\n")
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "somebody else's project")
    assert version(checkout) == {"package": __version__, "commit": None, "dirty": None}
