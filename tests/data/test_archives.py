"""Zip archives unpacked without trusting them; folders of images and their hash."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from maccap.core.artifacts import sha256
from maccap.core.errors import DataError, EnvironmentProblem
from maccap.data import folders
from maccap.data.archives import unpack
from maccap.data.folders import files_hash, folder_hash
from tests.fetch.common import Usage, only
from tests.helpers.files import refuses, zipped

BODY = bytes(i * i * 31 % 251 for i in range(300_000))


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "a.zip"


def test_only_the_named_members_are_unpacked(tmp_path, archive):
    archive.write_bytes(zipped({"core/a.jar": b"A", "core/b.jar": b"B", "core/src/c.txt": b"C", "../out": b"X"}))
    assert unpack(archive, tmp_path / "to", ["core/*.jar"]) == [tmp_path / "to/core/a.jar", tmp_path / "to/core/b.jar"]
    assert only(tmp_path / "to") == ["core/a.jar", "core/b.jar"]
    refuses(lambda: unpack(archive, tmp_path / "to", ["core/*", "d.jar"]), "has no member d.jar")


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "..\\out"])
def test_a_zip_that_escapes_its_folder_writes_nothing(tmp_path, archive, name):
    archive.write_bytes(zipped({"fine": b"A", name: b"X"}))
    refuses(lambda: unpack(archive, tmp_path / "to", ["*"]), "would leave the folder")
    assert only(tmp_path) == ["a.zip"]


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    refuses(lambda: unpack(tmp_path / "a.zip", tmp_path / "to", ["*"]), "'link' is a symbolic link")


def test_half_and_damaged_zips_are_refused(tmp_path):
    whole = zipped({"a": BODY, "b": BODY[::-1]}, zipfile.ZIP_DEFLATED)
    flipped = bytearray(whole)
    flipped[2000] ^= 255
    for number, body in enumerate([whole[: len(whole) // 2], bytes(flipped), b"", b"PK"]):
        archive = tmp_path / f"{number}.zip"
        archive.write_bytes(body)
        with pytest.raises(DataError, match=rf"{number}\.zip: damaged or cut short .* download it anew"):
            unpack(archive, tmp_path / str(number), ["*"])
        assert set(only(tmp_path / str(number))) <= {"a"}
    refuses(lambda: unpack(tmp_path / "none.zip", tmp_path / "to", ["*"]), "no such file")


def test_unpacking_asks_the_disk_first(tmp_path, archive, monkeypatch):
    archive.write_bytes(zipped({"a": bytes(10**6)}))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 10**5))
    refuses(lambda: unpack(archive, tmp_path / "to", ["*"]), "needs 1,000,000 bytes more", kind=EnvironmentProblem)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "my images [1]"
    for name in ("a.jpg", "b.jpg", "more/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def same_size_and_time(folder: Path) -> None:
    """Another image of the same size, put there with the time of the one before."""
    stat = (folder / "a.jpg").stat()
    (folder / "a.jpg").write_bytes(b"A.JPG")
    os.utime(folder / "a.jpg", ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "changed": lambda folder: (folder / "more/c.jpg").write_bytes(b"MORE/C.JPG"),
    "removed": lambda folder: (folder / "b.jpg").unlink(),
    "added": lambda folder: (folder / "d.jpg").write_bytes(b""),
    "renamed": lambda folder: (folder / "a.jpg").rename(folder / "e.jpg"),
    "of the same size and time": same_size_and_time,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_changes_the_hash(images: Path, change: str) -> None:
    before = folder_hash(images)
    CHANGES[change](images)
    assert folder_hash(images) != before


def test_times_place_and_hidden_files_do_not(images: Path, tmp_path: Path) -> None:
    before = folder_hash(images)
    os.utime(images / "a.jpg", (1, 1))
    (images / ".DS_Store").write_bytes(b"x")
    (images / ".cache").mkdir()
    (images / ".cache/a.jpg").write_bytes(b"x")
    assert folder_hash(images.rename(tmp_path / "elsewhere")) == before


def test_what_is_known_is_not_read_again_and_a_change_is_seen_all_the_same(images, tmp_path, monkeypatch):
    known, read = tmp_path / "known.json", []
    monkeypatch.setattr(folders, "sha256", lambda path: read.append(path) or sha256(path))
    before = folder_hash(images, known)
    assert len(read) == len(list(images.rglob("*.jpg")))
    assert folder_hash(images, known) == before
    assert len(read) == len(list(images.rglob("*.jpg"))), "nothing was read again"
    same_size_and_time(images)
    changed = folder_hash(images, known)
    assert changed == folder_hash(images) != before
    (images / "a.jpg").rename(images / "x")
    (images / "b.jpg").rename(images / "a.jpg")
    (images / "x").rename(images / "b.jpg")
    exchanged = folder_hash(images, known)
    assert exchanged == folder_hash(images) != changed
    known.write_text("{")
    assert folder_hash(images, known) == exchanged


def test_own_files_are_known_by_their_bytes_whatever_their_time_says(tmp_path: Path) -> None:
    own, known = [str(tmp_path / name) for name in ("b.json", "a.json")], tmp_path / "known.json"
    for path in own:
        Path(path).write_text(path)
    before = files_hash(own, known)
    assert before == files_hash(reversed(own)) == files_hash([*own, str(tmp_path / "missing"), str(tmp_path)])
    Path(own[0]).write_text("other")
    os.utime(own[0], (1, 1))
    assert files_hash(own, known) == files_hash(own) != before
    assert files_hash([str(tmp_path / "missing")], known) == ""


def test_a_link_to_another_disk_counts_and_one_that_leads_nowhere_is_named(images: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/d.jpg").write_bytes(b"d")
    before = folder_hash(images)
    (images / "disk").symlink_to(tmp_path / "disk")
    assert folder_hash(images) != before
    (images / "lost.jpg").symlink_to(tmp_path / "nowhere")
    refuses(lambda: folder_hash(images), "lost.jpg: cannot be read (No such file or directory); repair it")


def test_a_pipe_and_a_folder_that_cannot_be_listed_are_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(images / "pipe.jpg")
    refuses(lambda: folder_hash(images), "pipe.jpg: cannot be read (it is a pipe); repair it, or take it out")

    def refused(place: str) -> None:
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(os, "scandir", refused)
    refuses(lambda: folder_hash(images), f"{images}: cannot be read (Permission denied); repair it, or take it out")
