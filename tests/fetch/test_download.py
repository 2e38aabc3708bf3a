"""Downloads from a server that misbehaves: what is recovered, what is refused, and how many bytes that costs."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from maccap.core.errors import ConfigError, DataError, EnvironmentProblem
from maccap.core.job import Job
from maccap.data.unpacking import unpack
from maccap.fetch.download import fetch
from maccap.fetch.lock import AssetLock
from maccap.fetch.registry import FileAsset, HubAsset, from_parameters, read_registry
from maccap.fetch.transfer import Patience
from maccap.steps import download
from tests.helpers import ROOT
from tests.helpers.server import (
    DATE,
    Server,
    always,
    change,
    cut,
    header,
    html,
    ignore_if_range,
    ignore_range,
    redirect,
    stall,
    status,
)

QUICK = Patience(tries=3, first_wait=0.01, longest_wait=1.5, stall=0.4)
BODY = bytes(i * i * 31 % 251 for i in range(300_000))
OTHER = BODY[::-1]


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def zip_of(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return data.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("MACCAP_MIRROR", raising=False)
    with Server() as running:
        yield running


@pytest.fixture
def lock(tmp_path):
    return AssetLock(tmp_path / "assets.lock.json")


def asset(*urls, body=BODY, **changes):
    """A pinned asset that lies at data/a.bin."""
    fields = {"file": "data/a.bin", "size": len(body), "sha256": sha(body)} | changes
    return FileAsset("a", fields.pop("file"), tuple(urls), **fields)


def only(folder: Path) -> list[str]:
    """All files below a folder: nothing may be left beside the finished ones."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def get(assets, tmp_path, lock, **options):
    return fetch(assets, tmp_path / "down", lock, patience=QUICK, **options)


def test_a_file_comes_whole_and_once(server, tmp_path, lock):
    url = server.add("a.bin", BODY)
    for _ in range(2):
        path = get(asset(url), tmp_path, lock)
    assert path.read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)
    assert only(tmp_path) == ["down/data/a.bin"]


@pytest.mark.parametrize(
    "validator", [{}, {"ETag": "", "Last_Modified": DATE}, {"ETag": 'W/"1"', "Last_Modified": DATE}]
)
def test_a_cut_connection_is_resumed_with_the_missing_bytes_only(server, tmp_path, lock, validator):
    url = server.add("a.bin", BODY, [cut(100_000), status(500), cut(50_000)], **validator)
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    first, error, second, third = server.seen("a.bin")
    assert [first.range, error.range, second.range] == [None, "bytes=100000-", "bytes=100000-"]
    assert third.range == "bytes=150000-"
    assert third.if_range == (validator.get("Last_Modified") or server.pages["/a.bin"].headers["ETag"])
    assert first.sent + second.sent + third.sent == len(BODY)


def test_without_a_validator_the_file_is_begun_anew(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [cut(100_000)], ETag="")
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert [seen.range for seen in server.seen("a.bin")] == [None, None]


def test_many_cuts_are_no_failure_as_long_as_bytes_come(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [cut(20_000)] * 14)
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)


def test_an_ignored_range_begins_anew(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [cut(100_000), ignore_range])
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert server.seen("a.bin")[1].status == 200


def test_a_file_that_changes_midway_is_never_mixed(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [cut(100_000), cut(50_000), change(OTHER)])
    assert get(asset(url, body=OTHER), tmp_path, lock).read_bytes() == OTHER
    assert [(seen.range, seen.status) for seen in server.seen("a.bin")][1:] == [
        ("bytes=100000-", 206),
        ("bytes=150000-", 200),
    ]


def test_a_server_that_ignores_if_range_is_found_out_by_its_etag(server, tmp_path, lock, capsys):
    def change_and_continue(answer, page, seen):
        change(OTHER)(answer, page, seen)
        return ignore_if_range(answer, page, seen)

    url = server.add("a.bin", BODY, [cut(100_000), change_and_continue])
    assert get(asset(url, body=OTHER), tmp_path, lock).read_bytes() == OTHER
    assert [seen.status for seen in server.seen("a.bin")] == [200, 206, 200]
    assert "the file has changed at the source; beginning anew" in capsys.readouterr().err


def test_a_file_that_changes_each_time_is_given_up(server, tmp_path, lock):
    changes = [change(bytes([i]) * 250_000) for i in range(50)]
    tricks = [_both(new, ignore_if_range if i % 2 else cut(90_000)) for i, new in enumerate(changes)]
    url = server.add("a.bin", BODY, tricks)
    with pytest.raises(DataError, match="given up after 3 tries"):
        get(asset(url, size=None), tmp_path, lock)


def _both(first, second):
    def trick(answer, page, seen):
        return second(first(answer, page, seen), page, seen)

    return trick


@pytest.mark.parametrize(
    "content_range", ["bytes 5-299999/300000", "bytes 100000-199999/300000", "bytes 100000-299999/9", ""]
)
def test_a_wrong_content_range_begins_anew(server, tmp_path, lock, content_range):
    url = server.add("a.bin", BODY, [cut(100_000), header("Content-Range", content_range)])
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert [seen.range for seen in server.seen("a.bin")] == [None, "bytes=100000-", None]


def test_416_of_a_whole_part_is_the_end(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [header("Content-Length", "")])
    part_of(tmp_path, url, BODY, server)
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert [(seen.status, seen.sent) for seen in server.seen("a.bin")] == [(416, 0)]


def test_416_of_a_stale_part_begins_anew(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [ignore_if_range])
    part_of(tmp_path, url, BODY + b"older and longer", server)
    assert get(asset(url, size=None, sha256=None), tmp_path, lock).read_bytes() == BODY
    assert [seen.status for seen in server.seen("a.bin")] == [416, 200]


def part_of(tmp_path, url, body, server):
    """A part file of an earlier run whose length was not announced."""
    part = tmp_path / "down/data/a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(body)
    validator = server.pages["/a.bin"].headers["ETag"]
    Path(f"{part}.json").write_text(json.dumps({"url": url, "validator": validator, "total": None}))


def test_a_part_that_was_damaged_meanwhile_costs_one_more_download(server, tmp_path, lock):
    url = server.add("a.bin", BODY)
    part_of(tmp_path, url, OTHER[:1000], server)
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert [seen.range for seen in server.seen("a.bin")] == ["bytes=1000-", None]


def test_errors_pass_and_retry_after_is_honoured(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [status(429), status(503, Retry_After="1")])
    begun = time.monotonic()
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert time.monotonic() - begun >= 1
    assert len(server.seen("a.bin")) == 3


@pytest.mark.parametrize(
    ("trick", "told", "asked"),
    [
        (status(500), "HTTP 500 Internal Server Error; given up after 3 tries", 3),
        (status(503, Retry_After="3600"), "asks to come back in 3600 s", 1),
        (status(404), "HTTP 404 Not Found", 1),
        (status(416), "HTTP 416 after 0 bytes", 3),
        (html(), "HTML page, not the file", 1),
        (html("application/zip"), "HTML page, not the file", 1),
        (header("Content-Length", "299999"), "it announces 299,999 bytes instead of 300,000", 1),
        (header("Content-Encoding", "gzip"), "Content-Encoding gzip", 1),
        (stall(0), "nothing came for 0.4 s", 3),
        (cut(0), "broke off after 0 bytes; given up after 3 tries", 3),
    ],
)
def test_a_hopeless_source_is_named_and_the_next_one_tried(server, tmp_path, lock, trick, told, asked):
    bad, good = server.add("bad.bin", BODY, always(trick)), server.add("good.bin", BODY)
    with pytest.raises(DataError) as error:
        get(asset(bad), tmp_path, lock)
    assert told in str(error.value)
    assert bad in str(error.value)
    assert not (tmp_path / "down/data/a.bin").exists()
    assert get(asset(bad, good), tmp_path, lock).read_bytes() == BODY
    assert len(server.seen("bad.bin")) == 2 * asked
    assert only(tmp_path) == ["down/data/a.bin"]


def test_a_stall_is_resumed(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [stall(100_000)])
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)


def test_an_unreachable_server_is_named(tmp_path, lock, server):
    with pytest.raises(DataError, match=r"cannot be reached \(.*refused\)"):
        get(asset("http://127.0.0.1:9/a.bin"), tmp_path, lock)


def test_a_truncated_body_without_length_is_refused_by_its_size(server, tmp_path, lock):
    url = server.add("a.bin", BODY[:1000], [header("Content-Length", "")])
    with pytest.raises(DataError, match="it has 1,000 bytes instead of 300,000"):
        get(asset(url), tmp_path, lock)
    assert only(tmp_path) == []


def test_an_endless_body_is_stopped(server, tmp_path, lock):
    url = server.add("a.bin", BODY * 20, [header("Content-Length", "")])
    with pytest.raises(DataError, match="sends more than the 300,000 bytes"):
        get(asset(url), tmp_path, lock)
    assert not (tmp_path / "down/data/a.bin").exists()


def test_a_body_without_length_is_fine(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [header("Content-Length", "")])
    assert get(asset(url, size=None), tmp_path, lock).read_bytes() == BODY


def test_a_redirect_is_followed_and_resumed(server, tmp_path, lock):
    target = server.add("b.bin", BODY, [cut(100_000)])
    url = server.add("a.bin", b"", always(redirect(target)))
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert server.sent("b.bin") == len(BODY)
    loop = server.add("loop", b"", always(redirect(f"{server.url}/loop")))
    with pytest.raises(DataError, match="redirects"):
        get(asset(loop, file="data/b.bin"), tmp_path, lock)


def test_a_wrong_hash_is_deleted_and_the_mirror_tried(server, tmp_path, lock):
    wrong, right = server.add("wrong.bin", OTHER), server.add("right.bin", BODY)
    assert get(asset(wrong, right), tmp_path, lock).read_bytes() == BODY
    (tmp_path / "down/data/a.bin").unlink()
    with pytest.raises(DataError) as error:
        get(asset(wrong), tmp_path, lock)
    assert f"its sha256 is {sha(OTHER)} instead of {sha(BODY)}" in str(error.value)
    assert "correct `size` and `sha256` of a in workflow/resources/assets.yaml" in str(error.value)
    assert only(tmp_path) == []


def test_a_begun_mirror_is_continued_before_the_others(server, tmp_path, lock):
    down, begun = server.add("down.bin", BODY, [status(404)]), server.add("begun.bin", BODY, [cut(200_000)])
    server.pages["/begun.bin"].tricks += [status(500)] * 3
    with pytest.raises(DataError):
        get(asset(down, begun), tmp_path, lock)
    assert get(asset(down, begun), tmp_path, lock).read_bytes() == BODY
    assert server.seen("begun.bin")[-1].range == "bytes=200000-"
    assert len(server.seen("down.bin")) == 1


def test_a_damaged_finished_file_is_fetched_again(server, tmp_path, lock, capsys):
    url = server.add("a.bin", BODY)
    get(asset(url), tmp_path, lock).write_bytes(OTHER)
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert "fetching it again" in capsys.readouterr().err


def test_half_a_zip_is_refused_though_nothing_is_known_of_it(server, tmp_path, lock):
    url = server.add("a.zip", zip_of(a=BODY)[:-30])
    with pytest.raises(DataError, match="not a whole zip archive"):
        get(asset(url, file="a.zip", size=None, sha256=None), tmp_path, lock)
    assert only(tmp_path) == []


Usage = namedtuple("Usage", "total used free")


def test_the_disk_is_asked_before_anything_starts(server, tmp_path, lock, monkeypatch):
    url = server.add("a.bin", BODY)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 200_000))
    with pytest.raises(EnvironmentProblem, match=r"needs 300,000 bytes more, but .* has 200,000 bytes free"):
        get(asset(url), tmp_path, lock)
    assert server.seen("a.bin") == []
    with pytest.raises(EnvironmentProblem, match="needs 300,000 bytes more"):
        get(asset(url, size=None), tmp_path, lock)
    assert only(tmp_path) == []
    part_of(tmp_path / "again", url, BODY[:150_000], server)
    assert get(asset(url), tmp_path / "again", lock).read_bytes() == BODY


def test_a_full_disk_leaves_what_came(server, tmp_path, lock, monkeypatch):
    url = server.add("a.bin", BODY)

    def full(chunks, *_):
        yield next(chunks)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("maccap.fetch.transfer.byte_progress", full)
        with pytest.raises(EnvironmentProblem, match=r"disk is full after .* run again to resume"):
            get(asset(url), tmp_path, lock)
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert server.seen("a.bin")[1].range is not None


CHILD = """
import sys
from maccap.fetch.lock import AssetLock
from maccap.fetch.registry import FileAsset
from maccap.fetch.download import fetch
url, folder, size, sha = sys.argv[1:]
fetch(FileAsset("a", "data/a.bin", (url,), int(size), sha), folder, AssetLock(folder + "/lock.json"))
"""


def child(url, folder):
    arguments = [sys.executable, "-c", CHILD, url, str(folder), str(len(BODY)), sha(BODY)]
    return subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_killed_download_resumes(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [stall(120_000)])
    process = child(url, tmp_path / "down")
    part = tmp_path / "down/data/a.bin.part"
    wait_until(lambda: part.exists() and part.stat().st_size == 120_000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "down/data/a.bin").exists()
    assert get(asset(url), tmp_path, lock).read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)
    assert only(tmp_path) == ["down/data/a.bin"]


def test_two_processes_share_one_download(server, tmp_path, lock):
    url = server.add("a.bin", BODY, [lambda answer, page, seen: time.sleep(0.5) or answer])
    processes = [child(url, tmp_path / "down") for _ in range(2)]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    assert [seen.sent for seen in server.seen("a.bin")] == [len(BODY)]
    assert only(tmp_path / "down") == ["data/a.bin"]


def test_threads_share_one_download(server, tmp_path, lock):
    url = server.add("a.bin", BODY)
    threads = [threading.Thread(target=get, args=(asset(url), tmp_path, lock)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.sent("a.bin") == len(BODY)
    assert only(tmp_path) == ["down/data/a.bin"]


def test_the_first_download_is_trusted_and_later_ones_must_match(server, tmp_path, lock):
    url = server.add("a.bin", BODY)
    unpinned = asset(url, size=None, sha256=None)
    get(unpinned, tmp_path, lock).unlink()
    assert json.loads(lock.path.read_text()) == {"a": {"sha256": sha(BODY)}}
    server.add("a.bin", OTHER)
    with pytest.raises(DataError) as error:
        get(unpinned, tmp_path, lock)
    assert f"its sha256 is {sha(OTHER)} instead of {sha(BODY)}" in str(error.value)
    assert f'delete the entry "a" from {lock.path}' in str(error.value)
    assert only(tmp_path) == ["assets.lock.json"]
    lock.path.unlink()
    assert get(unpinned, tmp_path, lock).read_bytes() == OTHER


def test_the_lock_is_sorted_and_takes_entries_at_once(lock):
    names = [f"n{i}" for i in range(12)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            lock.path.unlink(missing_ok=True)
            threads = [threading.Thread(target=lock.record, args=(name, {"sha256": name})) for name in reversed(names)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert list(json.loads(lock.path.read_text())) == sorted(names)
    finally:
        sys.setswitchinterval(interval)
    with pytest.raises(DataError, match=r'n3: sha256 is other, but n3 on the first download.*delete the entry "n3"'):
        lock.record("n3", {"sha256": "other"})


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_damaged_lock_is_not_overwritten(lock, text):
    lock.path.write_text(text)
    with pytest.raises(DataError, match=r"assets\.lock\.json"):
        lock.record("a", {"sha256": "0"})
    assert lock.path.read_text() == text


def test_a_file_to_be_supplied_says_where_to_ask(tmp_path, lock, server):
    by_hand = asset(ask="Ask the authors at https://example.org/form.")
    with pytest.raises(DataError) as error:
        get(by_hand, tmp_path, lock)
    assert "Ask the authors at https://example.org/form." in str(error.value)
    assert "local:\n  a: /path/to/a.bin" in str(error.value)
    copy = tmp_path / "mine.bin"
    copy.write_bytes(OTHER)
    with pytest.raises(DataError, match=rf"mine.bin: its sha256 is {sha(OTHER)} instead of {sha(BODY)}"):
        get(by_hand, tmp_path, lock, local=copy)
    assert copy.read_bytes() == OTHER
    assert only(tmp_path / "down") == []
    copy.write_bytes(BODY)
    link = tmp_path / "link.bin"
    link.symlink_to(copy)
    path = get(by_hand, tmp_path, lock, local=link)
    copy.unlink()
    assert path.read_bytes() == BODY
    assert not path.is_symlink()


@pytest.mark.parametrize(("name", "told"), [("nowhere.bin", "no such file"), ("", "it is a folder; pack it")])
def test_a_local_file_that_is_none(tmp_path, lock, server, name, told):
    with pytest.raises(DataError, match=rf"{told}.*\n.*Correct `local: "):
        get(asset(ask="x"), tmp_path, lock, local=tmp_path / name)


def test_a_local_file_on_another_disk_is_copied(tmp_path, lock, server, monkeypatch):
    copy = tmp_path / "mine.bin"
    copy.write_bytes(BODY)

    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_disk)
    path = get(asset(ask="x"), tmp_path, lock, local=copy)
    assert path.read_bytes() == BODY
    assert path.stat().st_ino != copy.stat().st_ino


def test_the_step_reads_the_asset_from_its_parameters(server, tmp_path, lock):
    wanted = asset(server.add("a.bin", BODY), sha256=None)
    out = tmp_path / "down/data/a.bin"
    download.run(Job(outputs=[out], cfg=wanted.parameters() | {"lock": str(lock.path)}))
    assert out.read_bytes() == BODY
    assert lock.entry("a") == {"sha256": sha(BODY)}
    with pytest.raises(ConfigError, match=r"must end with data/a\.bin"):
        download.run(Job(outputs=[tmp_path / "b.bin"], cfg=wanted.parameters() | {"lock": str(lock.path)}))


# The registry.

ABOUT = {"licence": "CC BY 4.0", "citation": "Someone 2020", "seen": ["https://example.org"]}
FILE = {"file": "a/b.zip", "urls": ["https://example.org/b.zip"], "size": 3, "sha256": "0" * 64, **ABOUT}
HUB = {"hub": "facebook/opt-125m", "revision": "1" * 40, "patterns": ["*.json"], **ABOUT}


def registry(tmp_path, entries):
    path = tmp_path / "assets.yaml"
    path.write_text(json.dumps(entries))
    return path


def test_registry_entries_survive_their_way_through_a_rule(tmp_path):
    by_hand = FILE | {"file": "c", "urls": [], "ask": "there", "sha256": "unpinned", "size": None, "unverified": "all"}
    assets = read_registry(registry(tmp_path, {"b": FILE, "hand": by_hand, "opt": HUB | {"revision": "unpinned"}}))
    assert assets["b"] == FileAsset("b", "a/b.zip", ("https://example.org/b.zip",), 3, "0" * 64)
    assert assets["hand"] == FileAsset("hand", "c", (), None, None, "there")
    assert assets["opt"] == HubAsset("opt", "facebook/opt-125m", None, ("*.json",))
    for one in assets.values():
        assert from_parameters({"lock": "x"} | one.parameters()) == one
    assert not any("licence" in key for one in assets.values() for key in one.parameters())


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (FILE | {"mirrors": []}, "`mirrors` is not a key of a file asset"),
        (HUB | {"urls": []}, "`urls` is not a key of a hub asset"),
        (FILE | {"sha256": "0" * 63}, "must be 64 lower-case hex digits"),
        (FILE | {"sha256": 12}, "must be 64 lower-case hex digits .in quotes."),
        (HUB | {"revision": "main"}, "must be 40 lower-case hex digits"),
        (FILE | {"urls": []}, "no `urls` and no `ask`"),
        (FILE | {"ask": "there"}, "has `urls` and `ask`"),
        (FILE | {"urls": ["ftp://example.org/a"]}, "does not begin with http"),
        (FILE | {"file": "../b.zip"}, "must be a relative path that stays"),
        (FILE | {"file": "/b.zip"}, "must be a relative path that stays"),
        (FILE | {"size": "3 GB"}, "must be a number of bytes"),
        (FILE | {"size": True}, "must be a number of bytes"),
        ({key: FILE[key] for key in FILE if key != "urls"}, "`urls` is missing"),
        (FILE | {"licence": ""}, "`licence` must be a text"),
        (FILE | {"seen": []}, "`seen` is empty"),
        (HUB | {"patterns": []}, "`patterns` is empty"),
        (HUB | {"hub": "../opt"}, "must be the name of a model repository"),
        (["a"], "must be a mapping"),
    ],
)
def test_a_bad_registry_entry_is_named(tmp_path, entry, told):
    with pytest.raises(ConfigError, match=rf"assets\.yaml: asset wrong: .*{told}"):
        read_registry(registry(tmp_path, {"right": HUB, "wrong": entry}))


def test_two_assets_cannot_share_a_file(tmp_path):
    with pytest.raises(ConfigError, match=r"asset two: `file: a/b\.zip` is taken by one"):
        read_registry(registry(tmp_path, {"one": FILE, "two": FILE}))


# Archives.


def test_only_the_named_members_are_unpacked(tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_of(**{"core/a.jar": b"A", "core/b.jar": b"B", "core/src/c.txt": b"C", "../out": b"X"}))
    assert unpack(archive, tmp_path / "to", ["core/*.jar"]) == [tmp_path / "to/core/a.jar", tmp_path / "to/core/b.jar"]
    assert only(tmp_path / "to") == ["core/a.jar", "core/b.jar"]
    with pytest.raises(DataError, match=r"has no member d\.jar"):
        unpack(archive, tmp_path / "to", ["core/*", "d.jar"])


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "..\\out"])
def test_a_zip_that_escapes_its_folder_writes_nothing(tmp_path, name):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_of(**{"fine": b"A", name: b"X"}))
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
    whole = zip_of(a=BODY, b=OTHER)
    flipped = bytearray(whole)
    flipped[2000] ^= 255
    for number, body in enumerate([whole[: len(whole) // 2], bytes(flipped), b"", b"PK"]):
        archive = tmp_path / f"{number}.zip"
        archive.write_bytes(body)
        with pytest.raises(DataError, match=rf"{number}\.zip: half or damaged zip archive .* download it again"):
            unpack(archive, tmp_path / str(number), ["*"])
        assert set(only(tmp_path / str(number))) <= {"a"}
    with pytest.raises(DataError, match="no such file"):
        unpack(tmp_path / "none.zip", tmp_path / "to", ["*"])


def test_unpacking_asks_the_disk_first(tmp_path, monkeypatch):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zip_of(a=bytes(10**6)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 10**5))
    with pytest.raises(EnvironmentProblem, match="needs 1,000,000 bytes more"):
        unpack(archive, tmp_path / "to", ["*"])
