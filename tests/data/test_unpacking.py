"""Members of a zip archive, unpacked without trusting it."""

import shutil
import zipfile

import pytest

from maccap.core.errors import DataError, EnvironmentProblem
from maccap.data.archives import unpack
from tests.fetch.common import Usage, only
from tests.helpers.files import zipped

BODY = bytes(i * i * 31 % 251 for i in range(300_000))


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "a.zip"


def test_only_the_named_members_are_unpacked(tmp_path, archive):
    archive.write_bytes(zipped({"core/a.jar": b"A", "core/b.jar": b"B", "core/src/c.txt": b"C", "../out": b"X"}))
    assert unpack(archive, tmp_path / "to", ["core/*.jar"]) == [tmp_path / "to/core/a.jar", tmp_path / "to/core/b.jar"]
    assert only(tmp_path / "to") == ["core/a.jar", "core/b.jar"]
    with pytest.raises(DataError, match=r"has no member d\.jar"):
        unpack(archive, tmp_path / "to", ["core/*", "d.jar"])


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "..\\out"])
def test_a_zip_that_escapes_its_folder_writes_nothing(tmp_path, archive, name):
    archive.write_bytes(zipped({"fine": b"A", name: b"X"}))
    with pytest.raises(DataError, match="would leave the folder"):
        unpack(archive, tmp_path / "to", ["*"])
    assert only(tmp_path) == ["a.zip"]


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="'link' is a symbolic link"):
        unpack(tmp_path / "a.zip", tmp_path / "to", ["*"])


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
    with pytest.raises(DataError, match="no such file"):
        unpack(tmp_path / "none.zip", tmp_path / "to", ["*"])


def test_unpacking_asks_the_disk_first(tmp_path, archive, monkeypatch):
    archive.write_bytes(zipped({"a": bytes(10**6)}))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 10**5))
    with pytest.raises(EnvironmentProblem, match="needs 1,000,000 bytes more"):
        unpack(archive, tmp_path / "to", ["*"])
