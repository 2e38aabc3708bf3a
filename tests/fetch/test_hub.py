"""Models from a hub on loopback, asked by the real client: what comes, what is recovered, what is refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from maccap.core.errors import ConfigError, DataError, EnvironmentProblem
from maccap.fetch.hub import fetch_model
from maccap.fetch.registry import HubAsset
from tests.fetch.common import (
    COMMIT,
    FILES,
    PATTERNS,
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
from tests.helpers.server import always, change, cut, git_id, stall, status

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
    folder = get(model(None), "again")
    assert (folder / "config.json").read_bytes() == FILES["config.json"]
    with pytest.raises(DataError, match=f'commit is {LATER}, but {COMMIT} on the first download.*delete the entry "m"'):
        get(model(LATER), "third")


def test_more_patterns_fetch_the_files_that_are_missing(server, get):
    folder = get(model(patterns=("*.bin",)))
    get(model())
    assert only(folder) == sorted([*WANTED, "index.json"])
    assert server.sent(CDN) == len(WEIGHTS)


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
    folder = get(model(patterns=("*.json", "extra.json")))
    assert only(folder) == ["config.json", "index.json"]
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
