"""The hash of a folder of images: what changes it, what does not, and that it is remembered."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from maccap.core.errors import DataError
from maccap.data.folders import folder_hash


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


def test_what_is_known_is_not_read_again_and_a_change_is_seen_all_the_same(images: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    before = folder_hash(images, known)
    same_size_and_time(images)
    assert folder_hash(images, known) == before, "only the size and the time were looked at"
    (images / "b.jpg").write_bytes(b"another")
    changed = folder_hash(images, known)
    assert changed != before
    known.write_text("{")
    assert folder_hash(images, known) == folder_hash(images) != changed


def test_a_link_to_another_disk_counts_and_one_that_leads_nowhere_is_named(images: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/d.jpg").write_bytes(b"d")
    before = folder_hash(images)
    (images / "disk").symlink_to(tmp_path / "disk")
    assert folder_hash(images) != before
    (images / "lost.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"lost\.jpg: cannot be read \(No such file or directory\); repair it"):
        folder_hash(images)
