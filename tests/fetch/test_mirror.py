"""Mirrors for machines without internet, and models from a hub: a loopback one, asked by the real client."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from huggingface_hub import constants

from maccap.core.errors import ConfigError, DataError, EnvironmentProblem
from maccap.fetch.download import fetch
from maccap.fetch.hub import fetch_model
from maccap.fetch.lock import AssetLock
from maccap.fetch.mirror import build_mirror
from maccap.fetch.registry import FileAsset, HubAsset, read_registry
from maccap.fetch.transfer import Patience
from tests.helpers import ROOT
from tests.helpers.server import Server, always, cut, header, status

QUICK = Patience(tries=3, first_wait=0.01, longest_wait=1, stall=2)
COMMIT, LATER = "a" * 40, "b" * 40
WEIGHTS = bytes(i % 241 for i in range(200_000))
FILES = {"config.json": b'{"a": 1}', "vocab.txt": b"x\ny\n", "pytorch_model.bin": WEIGHTS, "README.md": b"hello"}
PATTERNS = ("*.json", "*.txt", "pytorch_model.bin")
WANTED = sorted(set(FILES) - {"README.md"})
ABOUT = {"licence": "MIT", "citation": "Someone 2020", "seen": ["https://example.org"]}
REPO = "lab/model"


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def model(revision=COMMIT, patterns=PATTERNS):
    return HubAsset("m", REPO, revision, patterns)


def only(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("MACCAP_MIRROR", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        running.add_model(REPO, COMMIT, FILES)
        yield running


@pytest.fixture
def lock(tmp_path):
    return AssetLock(tmp_path / "assets.lock.json")


def cdn(body: bytes) -> str:
    return f"cdn/{sha(body)}"


def requests(server) -> int:
    return sum(len(page.seen) for page in server.pages.values())


def test_a_pinned_model_comes_whole_and_once(server, tmp_path, lock):
    folder = fetch_model(model(), tmp_path / "m", lock, patience=QUICK)
    assert only(folder) == sorted([*WANTED, "index.json"])
    assert all((folder / name).read_bytes() == FILES[name] for name in WANTED)
    rows = [{"name": name, "size": len(FILES[name]), "sha256": sha(FILES[name])} for name in WANTED]
    assert json.loads((folder / "index.json").read_text()) == rows
    files = {name: sha(FILES[name]) for name in WANTED}
    assert lock.entry("m") == {"hub": REPO, "commit": COMMIT, "patterns": list(PATTERNS), "files": files}
    asked = requests(server)
    (folder / "index.json").unlink()
    fetch_model(model(), folder, lock, patience=QUICK)
    assert requests(server) == asked
    assert (folder / "index.json").exists()
    assert only(tmp_path) == ["assets.lock.json", *(f"m/{name}" for name in only(folder))]


def test_the_step_asks_the_hub_that_the_environment_names(server, tmp_path):
    cfg = model(None).parameters() | {"lock": str(tmp_path / "lock.json")}
    out = tmp_path / "models/m/index.json"
    command = [sys.executable, "-m", "maccap", "download", "--output", str(out), "--cfg", repr(cfg)]
    environment = os.environ | {"HF_ENDPOINT": server.url, "HF_TOKEN": "hf_secret"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert (out.parent / "pytorch_model.bin").read_bytes() == WEIGHTS
    assert Path(f"{out}.prov.json").exists()
    assert {seen.authorization for seen in server.seen(f"{REPO}/resolve/{COMMIT}/config.json")} == {"Bearer hf_secret"}


def test_an_interrupted_model_resumes(server, tmp_path, lock):
    server.pages[f"/{cdn(WEIGHTS)}"].tricks += [cut(90_000), *always(status(503))[:3]]
    with pytest.raises(DataError, match=r"m/pytorch_model\.bin.*\n.*HTTP 503"):
        fetch_model(model(), tmp_path / "m", lock, patience=QUICK)
    assert not (tmp_path / "m/index.json").exists()
    assert not lock.path.exists()
    server.pages[f"/{cdn(WEIGHTS)}"].tricks.clear()
    fetch_model(model(), tmp_path / "m", lock, patience=QUICK)
    assert server.sent(cdn(WEIGHTS)) == len(WEIGHTS)


def test_a_damaged_file_is_fetched_again_and_only_that(server, tmp_path, lock):
    folder = fetch_model(model(), tmp_path / "m", lock, patience=QUICK)
    (folder / "vocab.txt").write_bytes(b"x\nz\n")
    fetch_model(model(), folder, lock, patience=QUICK)
    assert (folder / "vocab.txt").read_bytes() == FILES["vocab.txt"]
    assert server.sent(cdn(WEIGHTS)) == len(WEIGHTS)


def test_an_unpinned_model_stays_at_the_commit_of_its_first_download(server, tmp_path, lock):
    fetch_model(model(None), tmp_path / "m", lock, patience=QUICK)
    assert lock.entry("m")["commit"] == COMMIT
    server.add_model(REPO, LATER, FILES | {"config.json": b"{}"})
    folder = fetch_model(model(None), tmp_path / "again", lock, patience=QUICK)
    assert (folder / "config.json").read_bytes() == FILES["config.json"]
    with pytest.raises(DataError, match=f'commit is {LATER}, but {COMMIT} on the first download.*delete the entry "m"'):
        fetch_model(model(LATER), tmp_path / "third", lock, patience=QUICK)


def test_more_patterns_fetch_the_files_that_are_missing(server, tmp_path, lock):
    folder = fetch_model(model(patterns=("*.bin",)), tmp_path / "m", lock, patience=QUICK)
    fetch_model(model(), folder, lock, patience=QUICK)
    assert only(folder) == sorted([*WANTED, "index.json"])
    assert server.sent(cdn(WEIGHTS)) == len(WEIGHTS)


def test_a_rewritten_repository_is_refused(server, tmp_path, lock):
    fetch_model(model(), tmp_path / "m", lock, patience=QUICK)
    for name in ("pytorch_model.bin", "config.json"):
        server.add_model(REPO, COMMIT, FILES | {name: FILES[name][::-1]})
        with pytest.raises(DataError) as error:
            fetch_model(model(), tmp_path / "again", lock, patience=QUICK)
        assert sha(FILES[name]) in str(error.value)
        assert sha(FILES[name][::-1]) in str(error.value)
        assert f'delete the entry "m" from {lock.path}' in str(error.value)
        assert not (tmp_path / "again" / name).exists()


@pytest.mark.parametrize(
    ("asset", "told"),
    [
        (model("c" * 40), "lab/model has no revision cccc"),
        (HubAsset("m", "lab/none", None, ("*",)), "the hub has no model lab/none, or it is private"),
        (model(patterns=("*.gguf",)), r"has no file like \*\.gguf"),
    ],
)
def test_what_the_hub_lacks_is_named(server, tmp_path, lock, asset, told):
    server.add("api/models/lab/none", b"", always(status(404, X_Error_Code="RepoNotFound")))
    missing = status(404, X_Error_Code="RevisionNotFound")
    server.add(f"api/models/{REPO}/revision/{'c' * 40}", b"", always(missing))
    with pytest.raises(ConfigError, match=told):
        fetch_model(asset, tmp_path / "m", lock, patience=QUICK)


def test_a_named_file_that_the_hub_lacks_is_told(server, tmp_path, lock, capsys):
    folder = fetch_model(model(patterns=("*.json", "extra.json")), tmp_path / "m", lock, patience=QUICK)
    assert only(folder) == ["config.json", "index.json"]
    assert f"lab/model at commit {COMMIT} has no file extra.json; going on without it" in capsys.readouterr().err


def test_a_hub_out_of_order_is_asked_again(server, tmp_path, lock):
    about = f"api/models/{REPO}/revision/{COMMIT}"
    server.pages[f"/{about}"].tricks += [status(502), status(502)]
    fetch_model(model(), tmp_path / "m", lock, patience=QUICK)
    server.pages[f"/{about}"].tricks += always(status(502))
    with pytest.raises(DataError, match=r"the hub does not answer for lab/model \(.*502"):
        fetch_model(model(), tmp_path / "other", lock, patience=QUICK)


def test_offline_is_said(server, tmp_path, lock, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"):
        fetch_model(model(), tmp_path / "m", lock, patience=QUICK)


# Mirrors.


@pytest.fixture
def registry(server, tmp_path):
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
    assert server.sent(cdn(WEIGHTS)) == len(WEIGHTS)
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
        assert fetch(assets["one"], down, lock, patience=QUICK).read_bytes() == b"one"
        assert fetch(assets["two"], down, lock, patience=QUICK).read_bytes() == b"two"
        for name in ("m", "free"):
            fetch_model(assets[name], down / name, lock, patience=QUICK)
        assert all((down / "m" / name).read_bytes() == FILES[name] for name in WANTED)
        assert set(lock.entry("m")["files"]) == set(WANTED)
        assert lock.entry("m")["commit"] == COMMIT
        with pytest.raises(DataError) as error:
            fetch(assets["hand"], down, lock, patience=QUICK)
        assert f"MACCAP_MIRROR is {source}, so nothing else is asked" in str(error.value)
        assert "maccap mirror" in str(error.value)
        asked += number * (len(WANTED) + 5)
        assert requests(server) == asked


def test_a_wrong_mirror_is_found_out(server, registry, tmp_path, lock):
    mirror = tmp_path / "mirror"
    build_mirror(mirror, registry, ["one", "m"], patience=QUICK)
    assets = read_registry(registry)
    (mirror / "x/one.bin").write_bytes(b"eno")
    with pytest.raises(DataError, match=rf"its sha256 is {sha(b'eno')} instead of {sha(b'one')}"):
        fetch(assets["one"], tmp_path / "down", lock, mirror=str(mirror), patience=QUICK)
    home = mirror / "models" / REPO / COMMIT
    (home / "vocab.txt").write_bytes(b"half")
    with pytest.raises(DataError, match=rf"vocab\.txt: its sha256 is {sha(b'half')}"):
        fetch_model(assets["m"], tmp_path / "m", lock, mirror=str(mirror), patience=QUICK)
    for text, told in [
        ('[{"name": "../x.json", "size": 1, "sha256": "0"}]', "would leave the folder"),
        ('[{"name": "x.json"}]', "must list name, size and sha256"),
        ("[", "not valid JSON"),
    ]:
        (home / "index.json").write_text(text)
        with pytest.raises(DataError, match=told):
            fetch_model(assets["m"], tmp_path / "m", lock, mirror=str(mirror), patience=QUICK)
    (home / "index.json").unlink()
    with pytest.raises(DataError, match=r"index\.json: no such file\n.*`maccap mirror .* m` puts it there"):
        fetch_model(assets["m"], tmp_path / "m", lock, mirror=str(mirror), patience=QUICK)


def test_an_unpinned_model_of_a_mirror_must_match_what_the_hub_gave(server, registry, tmp_path):
    mirror = tmp_path / "mirror"
    build_mirror(mirror, registry, ["free"], patience=QUICK)
    lock = AssetLock(tmp_path / "own.lock.json")
    fetch_model(read_registry(registry)["free"], tmp_path / "a", lock, mirror=str(mirror), patience=QUICK)
    assert lock.entry("free")["commit"] is None
    fetch_model(read_registry(registry)["free"], tmp_path / "b", lock, patience=QUICK)
    assert lock.entry("free")["commit"] == COMMIT
    home = mirror / "models" / REPO / "unpinned"
    (home / "config.json").write_bytes(b"{}")
    rows = [{"name": "config.json", "size": 2, "sha256": sha(b"{}")}]
    (home / "index.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"sha256 of config\.json is .* on the first download"):
        fetch_model(read_registry(registry)["free"], tmp_path / "c", lock, mirror=str(mirror), patience=QUICK)


def test_a_file_put_into_the_mirror_by_hand_is_checked(server, registry, tmp_path, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "hand.bin").write_bytes(b"by hand")
    build_mirror(mirror, registry, ["hand"], patience=QUICK)
    assert "there\thand" in capsys.readouterr().out
    (mirror / "hand.bin").write_bytes(b"other")
    with pytest.raises(DataError, match=rf"hand\.bin: its sha256 is {sha(b'other')} instead of {sha(b'by hand')}"):
        build_mirror(mirror, registry, ["hand"], patience=QUICK)


Usage = namedtuple("Usage", "total used free")


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


def test_a_file_asset_in_a_mirror_may_have_odd_characters(server, tmp_path, lock):
    server.add("served/a%20b%23c.bin", b"odd", [header("Content-Length", "")])
    odd = FileAsset("odd", "a b#c.bin", ("http://127.0.0.1:9/never",), 3, sha(b"odd"))
    path = fetch(odd, tmp_path, lock, mirror=f"{server.url}/served/", patience=QUICK)
    assert path.read_bytes() == b"odd"
