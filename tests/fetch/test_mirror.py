"""Mirrors for machines without internet: built, resumed, served as a folder and over HTTP, and never trusted."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from maccap.core.errors import DataError, EnvironmentProblem
from maccap.fetch.download import Options, fetch
from maccap.fetch.hub import fetch_model
from maccap.fetch.lock import AssetLock
from maccap.fetch.mirror import build_mirror
from maccap.fetch.registry import FileAsset, read_registry
from tests.fetch.common import ABOUT, COMMIT, FILES, PATTERNS, QUICK, REPO, WANTED, WEIGHTS, Usage, only, requests, sha
from tests.helpers import ROOT
from tests.helpers.server import always, header, status


@pytest.fixture
def registry(server, tmp_path):
    server.add_model(REPO, COMMIT, FILES)
    entries = {
        "one": {"file": "x/one.bin", "urls": [server.add("one", b"one")], "size": 3, "sha256": sha(b"one"), **ABOUT},
        "two": {"file": "two b.bin", "urls": [server.add("two", b"two")], "size": None, "sha256": "unpinned", **ABOUT},
        "hand": {"file": "hand.bin", "urls": [], "ask": "Ask X.", "size": None, "sha256": "unpinned", **ABOUT},
        "m": {"hub": REPO, "revision": COMMIT, "patterns": list(PATTERNS), **ABOUT},
        "free": {"hub": REPO, "revision": "unpinned", "patterns": ["*.json"], **ABOUT},
    }
    path = tmp_path / "assets.yaml"
    path.write_text(json.dumps(entries))
    return path


def test_a_mirror_is_built_resumed_and_serves_all(server, registry, tmp_path, monkeypatch, capsys):
    mirror = tmp_path / "mirror"
    server.pages["/two"].tricks += always(status(404))[:1]
    with pytest.raises(DataError, match=r"1 of 5 assets are missing; run again to resume\ntwo: no source"):
        build_mirror(mirror, registry, patience=QUICK)
    build_mirror(mirror, registry, patience=QUICK)
    assert len(server.seen("one")) == 1
    assert server.sent(f"cdn/{sha(WEIGHTS)}") == len(WEIGHTS)
    listed = capsys.readouterr().out
    assert f"by hand\thand\tput it at {mirror / 'hand.bin'}. Ask X." in listed
    assert f"MACCAP_MIRROR={mirror}" in listed
    home = f"models/{REPO}"
    assert only(mirror) == sorted(
        ["x/one.bin", "two b.bin", f"{home}/unpinned/config.json", f"{home}/unpinned/index.json"]
        + [f"{home}/{COMMIT}/{name}" for name in [*WANTED, "index.json"]]
    )

    assets = read_registry(registry)
    for path in mirror.rglob("*"):
        if path.is_file():
            server.add(f"served/{path.relative_to(mirror)}".replace(" ", "%20"), path.read_bytes())
    asked = requests(server)
    for number, source in enumerate([str(mirror), f"{server.url}/served"]):
        monkeypatch.setenv("MACCAP_MIRROR", source)
        down, lock = tmp_path / f"down{number}", AssetLock(tmp_path / f"lock{number}.json")
        options = Options(lock, patience=QUICK)
        assert fetch(assets["one"], down, options).read_bytes() == b"one"
        assert fetch(assets["two"], down, options).read_bytes() == b"two"
        for name in ("m", "free"):
            fetch_model(assets[name], down / name, options)
        assert all((down / "m" / name).read_bytes() == FILES[name] for name in WANTED)
        assert set(lock.entry("m")["files"]) == set(WANTED)
        assert lock.entry("m")["commit"] == COMMIT
        with pytest.raises(DataError) as error:
            fetch(assets["hand"], down, options)
        assert f"MACCAP_MIRROR is {source}, so nothing else is asked" in str(error.value)
        assert "maccap mirror" in str(error.value)
        asked += number * (len(WANTED) + 5)
        assert requests(server) == asked


def test_a_wrong_mirror_is_found_out(registry, tmp_path, options):
    mirror = tmp_path / "mirror"
    options = replace(options, mirror=str(mirror))
    build_mirror(mirror, registry, ["one", "m"], patience=QUICK)
    assets = read_registry(registry)
    (mirror / "x/one.bin").write_bytes(b"eno")
    with pytest.raises(DataError, match=rf"its sha256 is {sha(b'eno')} instead of {sha(b'one')}"):
        fetch(assets["one"], tmp_path / "down", options)
    home = mirror / "models" / REPO / COMMIT
    (home / "vocab.txt").write_bytes(b"half")
    with pytest.raises(DataError, match=rf"vocab\.txt: its sha256 is {sha(b'half')}"):
        fetch_model(assets["m"], tmp_path / "m", options)
    for text, told in [
        ('[{"name": "../x.json", "size": 1, "sha256": "0"}]', "would leave the folder"),
        ('[{"name": "x.json"}]', "must list name, size and sha256"),
        ("[", "must list name, size and sha256"),
    ]:
        (home / "index.json").write_text(text)
        with pytest.raises(DataError, match=told):
            fetch_model(assets["m"], tmp_path / "m", options)
    (home / "index.json").unlink()
    with pytest.raises(DataError, match=r"index\.json: no such file\n.*`maccap mirror .* m` puts it there"):
        fetch_model(assets["m"], tmp_path / "m", options)


def test_an_unpinned_model_of_a_mirror_must_match_what_the_hub_gave(registry, tmp_path, options):
    mirror = tmp_path / "mirror"
    build_mirror(mirror, registry, ["free"], patience=QUICK)
    free, own = read_registry(registry)["free"], replace(options, lock=AssetLock(tmp_path / "own.lock.json"))
    mirrored = replace(own, mirror=str(mirror))
    fetch_model(free, tmp_path / "a", mirrored)
    assert own.lock.entry("free")["commit"] is None
    fetch_model(free, tmp_path / "b", own)
    assert own.lock.entry("free")["commit"] == COMMIT
    home = mirror / "models" / REPO / "unpinned"
    (home / "config.json").write_bytes(b"{}")
    rows = [{"name": "config.json", "size": 2, "sha256": sha(b"{}")}]
    (home / "index.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"sha256 of config\.json is .* on the first download"):
        fetch_model(free, tmp_path / "c", mirrored)


def test_a_file_put_into_the_mirror_by_hand_is_checked(server, registry, tmp_path, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "hand.bin").write_bytes(b"by hand")
    build_mirror(mirror, registry, ["hand"], patience=QUICK)
    assert "there\thand" in capsys.readouterr().out
    (mirror / "hand.bin").write_bytes(b"other")
    with pytest.raises(DataError, match=rf"hand\.bin: its sha256 is {sha(b'other')} instead of {sha(b'by hand')}"):
        build_mirror(mirror, registry, ["hand"], patience=QUICK)


def test_a_mirror_asks_for_the_space_of_all(server, registry, tmp_path, monkeypatch):
    entries = json.loads(registry.read_text())
    entries["m"]["size"] = 5_000
    registry.write_text(json.dumps(entries))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 5_000))
    asked = requests(server)
    with pytest.raises(EnvironmentProblem, match="needs 5,003 bytes more"):
        build_mirror(tmp_path / "mirror", registry, patience=QUICK)
    assert requests(server) == asked


def test_the_command(server, registry, tmp_path):
    command = [sys.executable, "-m", "maccap", "mirror", "--registry", str(registry), str(tmp_path / "mirror"), "one"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("there\tone\n")
    assert only(tmp_path / "mirror") == ["x/one.bin"]
    run = subprocess.run([*command, "three"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "has no asset three; known: one, two, hand, m, free" in run.stderr


def test_a_file_asset_in_a_mirror_may_have_odd_characters(server, tmp_path, options):
    server.add("served/a%20b%23c.bin", b"odd", [header("Content-Length", "")])
    odd = FileAsset("odd", "a b#c.bin", ("http://127.0.0.1:9/never",), 3, sha(b"odd"))
    path = fetch(odd, tmp_path, replace(options, mirror=f"{server.url}/served/"))
    assert path.read_bytes() == b"odd"
