"""Downloads from a server that misbehaves: what is recovered, what is refused, and how many bytes that costs."""

import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from multiprocessing.pool import ThreadPool
from pathlib import Path
from unittest.mock import Mock

import pytest

from maccap.core.errors import ConfigError, DataError, EnvironmentProblem
from maccap.core.job import Job
from maccap.fetch.download import fetch
from maccap.fetch.registry import FileAsset
from maccap.steps import download
from tests.fetch.common import Usage, only, sha
from tests.helpers import ROOT, wait_for
from tests.helpers.server import (
    DATE,
    always,
    both,
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

BODY = bytes(i * i * 31 % 251 for i in range(300_000))
OTHER = BODY[::-1]


def asset(*urls, body=BODY, **changes):
    """A pinned asset that lies at data/a.bin."""
    fields = {"file": "data/a.bin", "size": len(body), "sha256": sha(body)} | changes
    return FileAsset("a", fields.pop("file"), tuple(urls), **fields)


@pytest.fixture
def get(tmp_path, options):
    return lambda wanted, local=None: fetch(wanted, tmp_path / "down", options, local)


def part_of(tmp_path, url, body, server):
    """A part file of an earlier run whose length was not announced."""
    part = tmp_path / "down/data/a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(body)
    validator = server.pages["/a.bin"].headers["ETag"]
    Path(f"{part}.json").write_text(json.dumps({"url": url, "validator": validator, "total": None}))


# What is recovered.
def test_a_file_comes_whole_and_once_and_again_when_it_is_damaged(server, tmp_path, get, capsys):
    url = server.add("a.bin", BODY)
    for _ in range(2):
        path = get(asset(url))
    assert path.read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)
    assert only(tmp_path) == ["down/data/a.bin"]
    get(asset(url)).write_bytes(OTHER)
    assert get(asset(url)).read_bytes() == BODY
    assert "fetching it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "validator", [{}, {"ETag": "", "Last_Modified": DATE}, {"ETag": 'W/"1"', "Last_Modified": DATE}]
)
def test_a_cut_connection_is_resumed_with_the_missing_bytes_only(server, get, validator):
    url = server.add("a.bin", BODY, [cut(100_000), status(500), cut(50_000)], **validator)
    assert get(asset(url)).read_bytes() == BODY
    seen = server.seen("a.bin")
    assert [one.range for one in seen] == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]
    assert seen[3].if_range == (validator.get("Last_Modified") or server.pages["/a.bin"].headers["ETag"])
    assert server.sent("a.bin") == len(BODY)


@pytest.mark.parametrize(
    ("tricks", "body", "asked"),
    [
        ([cut(100_000), ignore_range], BODY, [(None, 200), (100_000, 200)]),
        ([cut(100_000), cut(50_000), change(OTHER)], OTHER, [(None, 200), (100_000, 206), (150_000, 200)]),
        ([cut(100_000), both(change(OTHER), ignore_if_range)], OTHER, [(None, 200), (100_000, 206), (None, 200)]),
        *(
            ([cut(100_000), header("Content-Range", wrong)], BODY, [(None, 200), (100_000, 206), (None, 200)])
            for wrong in ("bytes 5-299999/300000", "bytes 100000-199999/300000", "bytes 100000-299999/9", "")
        ),
    ],
)
def test_bytes_of_two_files_or_places_are_never_mixed(server, get, tricks, body, asked):
    assert get(asset(server.add("a.bin", BODY, tricks), body=body)).read_bytes() == body
    ranges = [(start and f"bytes={start}-", status) for start, status in asked]
    assert [(seen.range, seen.status) for seen in server.seen("a.bin")] == ranges


def test_without_a_validator_the_file_is_begun_anew(server, get):
    assert get(asset(server.add("a.bin", BODY, [cut(100_000)], ETag=""))).read_bytes() == BODY
    assert [seen.range for seen in server.seen("a.bin")] == [None, None]


@pytest.mark.parametrize("tricks", [[cut(20_000)] * 14, [stall(100_000)]])
def test_no_fault_is_final_as_long_as_bytes_come(server, get, tricks):
    assert get(asset(server.add("a.bin", BODY, tricks))).read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)


def test_a_file_that_changes_each_time_is_given_up(server, get):
    tricks = [both(change(bytes([i]) * 250_000), ignore_if_range if i % 2 else cut(90_000)) for i in range(50)]
    url = server.add("a.bin", BODY, tricks)
    with pytest.raises(DataError, match="given up after 3 tries"):
        get(asset(url, size=None))


@pytest.mark.parametrize(
    ("begun", "trick", "asked"),
    [
        (BODY, header("Content-Length", ""), [("bytes=300000-", 416)]),
        (BODY + b"older and longer", ignore_if_range, [("bytes=300016-", 416), (None, 200)]),
        (OTHER[:1000], None, [("bytes=1000-", 206), (None, 200)]),
    ],
    ids=["whole", "stale", "damaged"],
)
def test_a_part_of_an_earlier_run_is_completed_or_begun_anew(server, tmp_path, get, begun, trick, asked):
    url = server.add("a.bin", BODY, [trick] if trick else [])
    part_of(tmp_path, url, begun, server)
    assert get(asset(url, size=None)).read_bytes() == BODY
    assert [(seen.range, seen.status) for seen in server.seen("a.bin")] == asked
    assert only(tmp_path) == ["down/data/a.bin"]


def test_errors_pass_and_retry_after_is_honoured(server, get):
    url = server.add("a.bin", BODY, [status(429), status(503, Retry_After="1")])
    begun = time.monotonic()
    assert get(asset(url)).read_bytes() == BODY
    assert time.monotonic() - begun >= 1
    assert len(server.seen("a.bin")) == 3


def test_a_redirect_is_followed_and_resumed(server, get):
    url = server.add("a.bin", b"", always(redirect(server.add("b.bin", BODY, [cut(100_000)]))))
    assert get(asset(url)).read_bytes() == BODY
    assert server.sent("b.bin") == len(BODY)
    loop = server.add("loop", b"", always(redirect(f"{server.url}/loop")))
    with pytest.raises(DataError, match="redirects"):
        get(asset(loop, file="data/b.bin"))


def test_a_begun_mirror_is_continued_before_the_others(server, get):
    down = server.add("down.bin", BODY, [status(404)])
    begun = server.add("begun.bin", BODY, [cut(200_000), *[status(500)] * 3])
    with pytest.raises(DataError):
        get(asset(down, begun))
    assert get(asset(down, begun)).read_bytes() == BODY
    assert server.seen("begun.bin")[-1].range == "bytes=200000-"
    assert len(server.seen("down.bin")) == 1


# What is refused.
@pytest.mark.parametrize(
    ("trick", "told", "asked"),
    [
        (status(500), "HTTP 500 Internal Server Error; given up after 3 tries", 3),
        (status(503, Retry_After="3600"), "asks to come back in 3600 s", 1), (status(404), "HTTP 404 Not Found", 1),
        (status(416), "HTTP 416 after 0 bytes", 3), (html(), "HTML page, not the file", 1),
        (html("application/zip"), "HTML page, not the file", 1),
        (header("Content-Length", "299999"), "it announces 299,999 bytes instead of 300,000", 1),
        (header("Content-Encoding", "gzip"), "Content-Encoding gzip", 1), (stall(0), "nothing came for 0.4 s", 3),
        (cut(0), "broke off after 0 bytes; given up after 3 tries", 3),
    ],
)  # fmt: skip
def test_a_hopeless_source_is_named_and_the_next_one_tried(server, tmp_path, get, trick, told, asked):
    bad, good = server.add("bad.bin", BODY, always(trick)), server.add("good.bin", BODY)
    with pytest.raises(DataError) as error:
        get(asset(bad))
    assert told in str(error.value)
    assert bad in str(error.value)
    assert "set `local: {a: PATH}` in config/mine.yaml" in str(error.value)
    assert not (tmp_path / "down/data/a.bin").exists()
    assert get(asset(bad, good)).read_bytes() == BODY
    assert len(server.seen("bad.bin")) == 2 * asked
    assert only(tmp_path) == ["down/data/a.bin"]


def test_an_unreachable_server_is_named(get):
    with pytest.raises(DataError, match=r"cannot be reached \(.*refused\)"):
        get(asset("http://127.0.0.1:9/a.bin"))


@pytest.mark.parametrize(
    ("body", "told"), [(BODY[:1000], "it has 1,000 bytes instead of"), (BODY * 20, "sends more than the 300,000 bytes")]
)
def test_a_body_without_length_is_fine_if_it_has_the_right_one(server, tmp_path, get, body, told):
    url = server.add("a.bin", body, always(header("Content-Length", "")))
    with pytest.raises(DataError, match=told):
        get(asset(url))
    assert not (tmp_path / "down/data/a.bin").exists()
    assert get(asset(url, size=None, sha256=sha(body))).read_bytes() == body


def test_a_wrong_hash_is_deleted_and_the_next_address_tried(server, tmp_path, get):
    wrong, right = server.add("wrong.bin", OTHER), server.add("right.bin", BODY)
    assert get(asset(wrong, right)).read_bytes() == BODY
    (tmp_path / "down/data/a.bin").unlink()
    with pytest.raises(DataError) as error:
        get(asset(wrong))
    assert f"its sha256 is {sha(OTHER)} instead of {sha(BODY)}" in str(error.value)
    assert "correct `size` and `sha256` of a in my/assets.yaml" in str(error.value)
    assert only(tmp_path) == []


def test_half_a_zip_is_refused_though_nothing_is_known_of_it(server, tmp_path, get):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", BODY)
    url = server.add("a.zip", packed.getvalue()[:-30])
    with pytest.raises(DataError, match="not a whole zip archive"):
        get(asset(url, file="a.zip", size=None, sha256=None))
    assert only(tmp_path) == []


def test_the_disk_is_asked_before_anything_starts(server, tmp_path, get, monkeypatch):
    url = server.add("a.bin", BODY)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 200_000))
    with pytest.raises(EnvironmentProblem, match=r"needs 300,000 bytes more, but .* has 200,000 bytes free"):
        get(asset(url))
    assert server.seen("a.bin") == []
    with pytest.raises(EnvironmentProblem, match="needs 300,000 bytes more"):
        get(asset(url, size=None))
    assert only(tmp_path) == []
    shutil.rmtree(tmp_path / "down")
    part_of(tmp_path, url, BODY[:150_000], server)
    assert get(asset(url)).read_bytes() == BODY


def test_a_full_disk_leaves_what_came(server, get, monkeypatch):
    url = server.add("a.bin", BODY)

    def full(chunks, *_):
        yield next(chunks)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("maccap.fetch.transfer.byte_progress", full)
        with pytest.raises(EnvironmentProblem, match=r"disk is full after .* run again to resume"):
            get(asset(url))
    assert get(asset(url)).read_bytes() == BODY
    assert server.seen("a.bin")[1].range is not None


# Several at once, and killed.

CHILD = """
import sys
from maccap.fetch.lock import AssetLock
from maccap.fetch.registry import FileAsset
from maccap.fetch.download import Options, fetch
url, folder, size, sha = sys.argv[1:]
fetch(FileAsset("a", "data/a.bin", (url,), int(size), sha), folder, Options(AssetLock(folder + "/lock.json")))
"""


def child(url, folder):
    arguments = [sys.executable, "-c", CHILD, url, str(folder), str(len(BODY)), sha(BODY)]
    return subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_a_killed_download_resumes(server, tmp_path, get):
    url = server.add("a.bin", BODY, [stall(120_000)])
    process = child(url, tmp_path / "down")
    part = tmp_path / "down/data/a.bin.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 120_000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "down/data/a.bin").exists()
    assert get(asset(url)).read_bytes() == BODY
    assert server.sent("a.bin") == len(BODY)
    assert only(tmp_path) == ["down/data/a.bin"]


def test_two_processes_share_one_download(server, tmp_path):
    url = server.add("a.bin", BODY, [lambda answer, page, seen: time.sleep(0.5) or answer])
    processes = [child(url, tmp_path / "down") for _ in range(2)]
    said = "".join(process.communicate()[1] for process in processes)
    assert re.fullmatch(r"(.*a\.bin\.lock: waits for .*\n)?", said)
    assert [process.returncode for process in processes] == [0, 0]
    assert [seen.sent for seen in server.seen("a.bin")] == [len(BODY)]
    assert only(tmp_path / "down") == ["data/a.bin"]


def test_threads_share_one_download(server, tmp_path, get):
    url = server.add("a.bin", BODY)
    with ThreadPool(6) as pool:
        pool.map(get, [asset(url)] * 6, chunksize=1)
    assert server.sent("a.bin") == len(BODY)
    assert only(tmp_path) == ["down/data/a.bin"]


# The lock.
def test_the_first_download_is_trusted_and_later_ones_must_match(server, tmp_path, get, options):
    unpinned = asset(server.add("a.bin", BODY), size=None, sha256=None)
    get(unpinned).unlink()
    assert json.loads(options.lock.path.read_text()) == {"a": {"sha256": sha(BODY)}}
    server.add("a.bin", OTHER)
    with pytest.raises(DataError) as error:
        get(unpinned)
    assert f"its sha256 is {sha(OTHER)} instead of {sha(BODY)}" in str(error.value)
    assert f'delete the entry "a" from {options.lock.path}' in str(error.value)
    assert only(tmp_path) == ["assets.lock.json"]
    options.lock.path.unlink()
    assert get(unpinned).read_bytes() == OTHER


def test_the_lock_is_sorted_and_takes_entries_at_once(options):
    lock, names = options.lock, [f"n{i}" for i in range(12)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(8):
            lock.path.unlink(missing_ok=True)
            with ThreadPool(len(names)) as pool:
                pool.starmap(lock.record, [(name, {"sha256": name}) for name in reversed(names)], chunksize=1)
            assert list(json.loads(lock.path.read_text())) == sorted(names)
    finally:
        sys.setswitchinterval(interval)
    with pytest.raises(DataError, match=r'n3: sha256 is other, but n3 on the first download.*delete the entry "n3"'):
        lock.record("n3", {"sha256": "other"})


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_damaged_lock_is_not_overwritten(options, text):
    options.lock.path.write_text(text)
    with pytest.raises(DataError, match=r"assets\.lock\.json"):
        options.lock.record("a", {"sha256": "0"})
    assert options.lock.path.read_text() == text


# The user's own files.
def test_a_file_to_be_supplied_says_where_to_ask(tmp_path, get):
    by_hand = asset(ask="Ask the authors at https://example.org/form.")
    with pytest.raises(DataError) as error:
        get(by_hand)
    assert "Ask the authors at https://example.org/form." in str(error.value)
    assert "your copy in config/mine.yaml:\nlocal:\n  a: /path/to/a.bin" in str(error.value)
    copy = tmp_path / "mine.bin"
    copy.write_bytes(OTHER)
    with pytest.raises(DataError, match=rf"mine.bin: its sha256 is {sha(OTHER)} instead of {sha(BODY)}"):
        get(by_hand, copy)
    assert copy.read_bytes() == OTHER
    assert only(tmp_path / "down") == []
    copy.write_bytes(BODY)
    link = tmp_path / "link.bin"
    link.symlink_to(copy)
    path = get(by_hand, link)
    copy.unlink()
    assert path.read_bytes() == BODY
    assert not path.is_symlink()


@pytest.mark.parametrize(("name", "told"), [("nowhere.bin", "no such file"), ("", "it is a folder; pack it")])
def test_a_local_file_that_is_none(tmp_path, get, name, told):
    with pytest.raises(DataError, match=rf"{told}.*\n.*Correct `local: .* in config/mine\.yaml"):
        get(asset(ask="x"), tmp_path / name)


def test_a_file_on_another_disk_is_copied_be_it_local_or_downloaded(server, tmp_path, get, options, monkeypatch):
    copy = tmp_path / "mine.bin"
    copy.write_bytes(BODY)

    monkeypatch.setattr(os, "link", Mock(side_effect=OSError(18, "Invalid cross-device link")))
    path = get(asset(ask="x"), copy)
    assert path.read_bytes() == BODY
    assert path.stat().st_ino != copy.stat().st_ino
    wanted, out = asset(server.add("a.bin", BODY)), tmp_path / "linked/data/a.bin"
    download.run(Job(outputs=[out], settings=wanted.parameters() | {"lock": str(options.lock.path)}))
    assert out.read_bytes() == BODY
    assert only(out.parent) == ["a.bin"]


@pytest.mark.skipif(importlib.util.find_spec("socks") is not None, reason="PySocks is installed")
def test_a_socks_proxy_without_its_library_is_said_at_once(get, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(EnvironmentProblem, match=r"a: Missing dependencies for SOCKS .*pip install pysocks"):
        get(asset("http://a.example/a.bin"))


def test_the_step_reads_the_asset_from_its_parameters(server, tmp_path, options, monkeypatch):
    wanted = asset(server.add("a.bin", BODY), sha256=None)
    paths = {"lock": str(options.lock.path), "registry": "my/assets.yaml"}
    out = tmp_path / "down/data/a.bin"
    download.run(Job(outputs=[out], settings=wanted.parameters() | paths))
    assert out.read_bytes() == BODY
    assert options.lock.entry("a") == {"sha256": sha(BODY)}
    with pytest.raises(ConfigError, match=r"must end with data/a\.bin"):
        download.run(Job(outputs=[tmp_path / "b.bin"], settings=wanted.parameters() | paths))
    monkeypatch.setenv("MACCAP_PROFILE", "config/theirs.yaml")
    for url, told in [((), r"in config/theirs\.yaml"), ((server.add("b.bin", OTHER),), r"of a in my/assets\.yaml")]:
        wrong = asset(*url, file="b.bin", ask=None if url else "Ask.")
        with pytest.raises(DataError, match=told):
            download.run(Job(outputs=[tmp_path / "b.bin"], settings=wrong.parameters() | paths))
