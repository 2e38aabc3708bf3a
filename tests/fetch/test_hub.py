"""Models from a hub on loopback, and mirrors for machines without internet: what comes, is recovered, is refused."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from maccap.core.errors import ConfigError, DataError, EnvironmentProblem
from maccap.fetch.download import Options, fetch
from maccap.fetch.hub import fetch_model
from maccap.fetch.lock import AssetLock
from maccap.fetch.mirror import build_mirror
from maccap.fetch.registry import FileAsset, HubAsset, read_registry
from tests.fetch.common import (
    ABOUT,
    COMMIT,
    FILES,
    PATTERNS,
    QUICK,
    REPO,
    WANTED,
    WEIGHTS,
    Usage,
    model,
    only,
    requests,
    sha,
)  # fmt: skip
from tests.helpers import ROOT, wait_for
from tests.helpers.server import always, change, cut, git_id, header, stall, status

LATER = "b" * 40
ABOUT_REPO = f"api/models/{REPO}/revision/{COMMIT}"


@pytest.fixture
def get(tmp_path, options, server):
    server.add_model(REPO, COMMIT, FILES)
    return lambda asset, folder="m": fetch_model(asset, tmp_path / folder, options)


CDN = f"cdn/{sha(WEIGHTS)}"  # where the weights lie


def asking(server) -> dict[str, str]:
    """An environment that names the server as the hub."""
    return os.environ | {"HF_ENDPOINT": server.url, "HF_TOKEN": "hf_secret"}


def test_a_pinned_model_comes_whole_and_once(server, tmp_path, options, get):
    folder = get(model())
    assert only(folder) == sorted([*WANTED, "index.json"])
    assert all((folder / name).read_bytes() == FILES[name] for name in WANTED)
    rows = [{"name": name, "size": len(FILES[name]), "sha256": sha(FILES[name])} for name in WANTED]
    assert json.loads((folder / "index.json").read_text()) == rows
    files = {name: sha(FILES[name]) for name in WANTED}
    assert options.lock.entry("m") == {"hub": REPO, "commit": COMMIT, "patterns": list(PATTERNS), "files": files}
    asked = requests(server)
    (folder / "index.json").unlink()
    get(model())
    assert requests(server) == asked
    assert (folder / "index.json").exists()
    assert only(tmp_path) == ["assets.lock.json", *(f"m/{name}" for name in only(folder))]


def command(asset, folder: Path, options) -> list[str]:
    """The step that fetches a model into `folder`/m."""
    cfg = asset.parameters() | {"lock": str(options.lock.path), "registry": "assets.yaml"}
    step = [sys.executable, "-m", "maccap", "step", "download"]
    return [*step, "--output", str(folder / "m/index.json"), "--cfg", repr(cfg)]


def test_an_interrupted_model_resumes(server, tmp_path, options, get):
    server.pages[f"/{CDN}"].tricks += [cut(90_000), *always(status(503))[:3]]
    with pytest.raises(DataError, match=r"m/pytorch_model\.bin.*\n.*HTTP 503"):
        get(model())
    assert only(tmp_path / "m") == [*WANTED[:1], *(f"{WANTED[1]}.part{end}" for end in ("", ".json")), *WANTED[2:]]
    assert not options.lock.path.exists()
    server.pages[f"/{CDN}"].tricks.clear()
    get(model())
    assert server.sent(CDN) == len(WEIGHTS)


def test_a_killed_step_resumes_within_a_file_from_the_hub_that_the_environment_names(server, tmp_path, options, get):
    server.pages[f"/{CDN}"].tricks += [stall(120_000)]
    step = command(model(), tmp_path, options)
    process = subprocess.Popen(step, cwd=ROOT, env=asking(server))
    part = tmp_path / "m/pytorch_model.bin.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 120_000)
    process.kill()
    process.wait()
    subprocess.run(step, cwd=ROOT, env=asking(server), check=True)
    assert (tmp_path / "m/pytorch_model.bin").read_bytes() == WEIGHTS
    assert server.sent(CDN) == len(WEIGHTS)
    assert (tmp_path / "m/index.json.prov.json").exists()
    assert {seen.authorization for seen in server.seen(f"{REPO}/resolve/{COMMIT}/config.json")} == {"Bearer hf_secret"}


@pytest.mark.parametrize("name", ["pytorch_model.bin", "config.json"])
def test_other_bytes_of_the_right_size_are_refused(server, tmp_path, options, get, name):
    """The hub tells the sha256 of large files and the git id of all others; no other library checks them."""
    page = CDN if name.endswith(".bin") else f"{REPO}/resolve/{COMMIT}/{name}"
    server.pages[f"/{page}"].tricks += always(change(FILES[name][::-1]))
    with pytest.raises(
        DataError, match=rf"its (sha256|id in git) is \w+ instead of ({sha(WEIGHTS)}|{git_id(FILES[name])})"
    ):
        get(model())
    assert not any((tmp_path / "m").glob(f"{name}*"))
    assert not options.lock.path.exists()


def test_the_disk_is_asked_for_the_whole_model(server, get, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, 100_000))
    with pytest.raises(EnvironmentProblem, match="m: needs 200,012 bytes more"):
        get(model())
    assert server.seen(CDN) == []


def test_a_damaged_file_is_fetched_again_and_only_that(server, get):
    folder = get(model())
    (folder / "vocab.txt").write_bytes(b"x\nz\n")
    get(model())
    assert (folder / "vocab.txt").read_bytes() == FILES["vocab.txt"]
    assert server.sent(CDN) == len(WEIGHTS)


def test_an_unpinned_model_stays_at_the_commit_of_its_first_download(server, options, get):
    get(model(None))
    assert options.lock.entry("m")["commit"] == COMMIT
    server.add_model(REPO, LATER, FILES | {"config.json": b"{}"})
    assert (get(model(None), "again") / "config.json").read_bytes() == FILES["config.json"]
    with pytest.raises(DataError, match=f'commit is {LATER}, but {COMMIT} on the first download.*delete the entry "m"'):
        get(model(LATER), "third")


def test_more_patterns_fetch_the_files_that_are_missing(server, get):
    folder = get(model(patterns=("*.bin",)))
    get(model())
    assert only(folder) == sorted([*WANTED, "index.json"])
    assert server.sent(CDN) == len(WEIGHTS)


def test_fewer_patterns_want_fewer_files(server, get):
    get(model())
    folder = get(model(patterns=("*.json",)), "again")
    assert only(folder) == ["config.json", "index.json"]
    server.pages[f"/{ABOUT_REPO}"].seen.clear()
    get(model(patterns=("*.json",)), "again")
    assert server.seen(ABOUT_REPO) == [], "all that is wanted is here"


def test_a_rewritten_repository_is_refused(server, tmp_path, options, get):
    get(model())
    for name in ("pytorch_model.bin", "config.json"):
        server.add_model(REPO, COMMIT, FILES | {name: FILES[name][::-1]})
        with pytest.raises(DataError) as error:
            get(model(), "again")
        assert sha(FILES[name]) in str(error.value)
        assert sha(FILES[name][::-1]) in str(error.value)
        assert f'delete the entry "m" from {options.lock.path}' in str(error.value)
        assert not (tmp_path / "again" / name).exists()


@pytest.mark.parametrize(
    ("asset", "told"),
    [
        (model("c" * 40), "lab/model has no revision c{40}; correct `revision` in my/assets.yaml"),
        (HubAsset("m", "lab/none", None, ("*",)), "no model lab/none, or .* in my/assets.yaml, or set HF_TOKEN"),
        (HubAsset("m", "lab/gated", None, ("*",)), "no model lab/gated, or it is private or gated"),
        (model(patterns=("*.gguf",)), r"has no file like \*\.gguf; correct `patterns` in my/assets.yaml"),
    ],
)
def test_what_the_hub_lacks_is_named(server, get, asset, told):
    server.add("api/models/lab/none", b"", always(status(404, X_Error_Code="RepoNotFound")))
    server.add("api/models/lab/gated", b"", always(status(403, X_Error_Code="GatedRepo")))
    missing = status(404, X_Error_Code="RevisionNotFound")
    server.add(f"api/models/{REPO}/revision/{'c' * 40}", b"", always(missing))
    with pytest.raises(ConfigError, match=told):
        get(asset)


def test_a_gated_file_tells_of_the_token(server, get):
    server.pages[f"/{REPO}/resolve/{COMMIT}/config.json"].tricks += always(status(401))
    with pytest.raises(DataError, match=r"HTTP 401 Unauthorized\n.*needs an access token in HF_TOKEN"):
        get(model())


def test_a_named_file_that_the_hub_lacks_is_told(get, capsys):
    assert only(get(model(patterns=("*.json", "extra.json")))) == ["config.json", "index.json"]
    assert f"lab/model at commit {COMMIT} has no file extra.json; going on without it" in capsys.readouterr().err


def test_a_hub_out_of_order_is_asked_again(server, get):
    server.pages[f"/{ABOUT_REPO}"].tricks += [status(502), status(502)]
    get(model())
    for trick, told, asked in [(status(502), ".*502", 3), (status(418), ".*418", 1)]:
        server.pages[f"/{ABOUT_REPO}"].seen.clear()
        server.pages[f"/{ABOUT_REPO}"].tricks[:] = always(trick)
        with pytest.raises(DataError, match=rf"the hub does not answer for lab/model \({told}.*use a mirror"):
            get(model(), "other")
        assert len(server.seen(ABOUT_REPO)) == asked


def test_offline_is_said(get, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"):
        get(model())


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
    (home / "index.json").write_text(json.dumps([{"name": "config.json", "size": 2, "sha256": sha(b"{}")}]))
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
    assert fetch(odd, tmp_path, replace(options, mirror=f"{server.url}/served/")).read_bytes() == b"odd"
