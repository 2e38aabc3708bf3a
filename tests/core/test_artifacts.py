"""Files appear whole or not at all, a full disk is reported as such, and hashes tell what is in files."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from maccap.core.artifacts import atomic, files_below, read_json, reading, sha256, spare, write_json, write_text
from maccap.core.errors import DataError, EnvironmentProblem
from tests.helpers import ROOT
from tests.helpers.files import refuses


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
    def fail_half_way(path: Path) -> None:
        with atomic(path) as part:
            part.write_text("half")
            raise error

    path = tmp_path / "artifact.txt"
    path.write_text("old")
    for target in (path, tmp_path / "other.txt"):
        with pytest.raises(type(error)) as caught:
            fail_half_way(target)
        assert caught.value is error, "an error that is not about space stays what it is"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["artifact.txt"]


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
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("where", ["in the block", "at the flush", "at the first byte"])
def test_a_write_that_finds_no_room_is_an_environment_problem(tmp_path, monkeypatch, where, number):
    path = tmp_path / "artifact.txt"
    path.write_text("old")

    full = Mock(side_effect=OSError(number, os.strerror(number)))

    def write() -> None:
        with atomic(path) as part:
            part.write_text("half")
            if where == "in the block":
                full()

    if where == "at the flush":
        monkeypatch.setattr(os, "fsync", full)
    if where == "at the first byte":
        monkeypatch.setattr("tempfile.mkstemp", full)
    refuses(write, str(path), os.strerror(number), "run again", kind=EnvironmentProblem)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["artifact.txt"]


ON_FULL_DISK = """
import json, os, subprocess, sys, zipfile
from pathlib import Path
import torch
from maccap.core.artifacts import atomic, write_text
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
    "feature store": lambda: write_store(path, {"a": large.reshape(100, -1)}, {"ids": list(range(100))}, "float32"),
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
    command = [*mounted, 'mount -t tmpfs -o size=64k none "$0" || exit 77; exec "$@"', str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a small tmpfs: run where `unshare --map-root-user --mount` works")
    script = [sys.executable, "-c", ON_FULL_DISK, str(tmp_path)]
    run = subprocess.run(
        [*command, *script], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [name for name, *_ in found] == ["text", "feature store", "torch", "zip", "no inode", "read-only"]
    for name, error, message, left, old in found:
        assert (error, left, old) == ("EnvironmentProblem", ["artifact"], "old"), (name, message)
        assert str(tmp_path / "artifact") in message, name
        assert "run again" in message, name


# --- JSON ----------------------------------------------------------------------------------------------------------
def test_json_comes_back_as_it_was_written_with_a_mark_or_without(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "“Köche” 料理 \u2028 🐕"], "b": {}}
    for indent in (None, 1):
        write_json(tmp_path / "a.json", value, indent=indent)
        data = (tmp_path / "a.json").read_bytes()
        assert read_json(tmp_path / "a.json") == json.loads(data) == value
        assert "料理".encode() in data
        assert data.endswith(b"\n")
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": "caf\xc3\xa9"}')
    assert read_json(tmp_path / "a.json") == {"a": "café"}, "with a byte order mark"


KILLED = """
import os, signal, sys
from maccap.core.artifacts import atomic
with atomic(sys.argv[1]) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["state.pt", "a [1]*.jsonl"])
def test_what_a_killed_process_left_goes_when_the_file_is_written_again_and_a_living_one_keeps_its_part(tmp_path, name):
    path = tmp_path / name
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT)
        assert len(list(tmp_path.iterdir())) == 1
    with atomic(path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
        with atomic(path) as other:
            other.write_text("other")
        assert mine.exists()
        mine.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_not_called_a_damaged_file() -> None:
    with pytest.raises(OSError, match="No space left"), reading("crate.zip"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["mine.json", "twin.json", "linked/mine.json"])
def test_what_is_read_is_not_written_over_under_any_name(tmp_path: Path, name: str) -> None:
    (mine := tmp_path / "mine.json").touch()
    (tmp_path / "linked").symlink_to(tmp_path)
    os.link(mine, tmp_path / "twin.json")
    spare([mine, tmp_path / "gone"], [tmp_path / "new", tmp_path])
    refuses(lambda: spare([mine, tmp_path / "gone"], [tmp_path / name]), f"{tmp_path / name}: would be written over")


def test_json_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(DataError, match=r"a\.json: no such file; check the path$"):
        read_json(path)
    made = "artifacts/none/a.json"
    refuses(lambda: read_json(made), f"{made}: no such file; ", "let `snakemake` make it, with the --configfile of")
    refuses(lambda: read_json(tmp_path), f"{tmp_path}: ")
    for data in (b"", b"{", b"[1] 2", b"{'a': 1}"):
        path.write_bytes(data)
        refuses(
            lambda: read_json(path),
            f"{path}: not valid JSON (",
            "; name another file, or, where a job wrote it, delete it and run again",
        )
    path.write_bytes(b'{"a":\n "caf\xe9"}')
    refuses(lambda: read_json(path), f"{path}: line 2 is not UTF-8 (byte 0xe9); save it as UTF-8")


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "it is a pointer of Git LFS"),
        (b"\n<!doctype html><p>Sign in", "it is an HTML page"), (b"<html><body>404", "it is an HTML page"),
        (b"", "it is empty"),
    ],
)  # fmt: skip
def test_what_lies_in_place_of_a_file_is_said(tmp_path: Path, head: bytes, what: str) -> None:
    (tmp_path / "a").write_bytes(head)
    refuses(
        lambda: read_json(tmp_path / "a"),
        f"{tmp_path / 'a'}: not valid JSON ({what}",
        "; name another file, or, where a job wrote it, delete it and run again",
    )


# --- hashes --------------------------------------------------------------------------------------------------------
def test_the_hash_of_a_file_is_its_sha256_and_of_a_folder_tells_names_and_contents_but_not_when_or_where(tmp_path):
    def folder(name: str, files: dict[str, str]) -> Path:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return tmp_path / name

    files = {"a": "1", "b/c": "2", "b/d": ""}
    first = folder("first", files)
    again = folder("again", dict(reversed(files.items())))
    os.utime(again / "a", (1, 1))
    (again / ".DS_Store").write_text("left by a file manager")
    assert sha256(first) == sha256(again)
    Path(os.fsdecode(os.fsencode(again / "b") + b"/caf\xe9")).touch()
    assert sha256(first) != sha256(again)
    others = {
        "content": files | {"a": "0"}, "more": files | {"e": ""}, "less": {"a": "1", "b/c": "2"},
        "renamed": {"a": "1", "b/c": "2", "b/e": ""}, "moved": {"a": "1", "c": "2", "b/d": ""},
        "swapped": {"a": "2", "b/c": "1", "b/d": ""},
    }  # fmt: skip
    hashes = [sha256(first), *(sha256(folder(name, content)) for name, content in others.items())]
    assert len(set(hashes)) == len(hashes)
    for data in (b"", b"abc", os.urandom(300_000)):
        (tmp_path / "f").write_bytes(data)
        assert sha256(str(tmp_path / "f")) == hashlib.sha256(data).hexdigest()


# --- folders -------------------------------------------------------------------------------------------------------
def test_files_behind_a_link_to_another_disk_count_and_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "disk/b").mkdir(parents=True)
    (tmp_path / "disk/b/c").touch()
    (folder := tmp_path / "here").mkdir()
    (folder / "a").symlink_to("../disk")
    (folder / "a.b").touch()
    assert files_below(folder) == {"a/b/c": folder / "a/b/c", "a.b": folder / "a.b"}
    assert list(files_below(folder)) == ["a/b/c", "a.b"], "in the order of their paths"
    assert files_below(tmp_path / "missing") == {}

    def locked(place: str) -> Iterator[os.DirEntry[str]]:
        if place.endswith("/b"):
            raise PermissionError(errno.EACCES, "Permission denied", place)
        return scandir(place)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", locked)
    refuses(lambda: files_below(folder), f"{folder}/a/b: cannot be read (Permission denied); repair it, or take it out")
