"""The registry of downloads: how entries are read; every claim of ours has its source and fits the data at hand."""

import fnmatch
import gzip
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from maccap.core.errors import ConfigError
from maccap.fetch.registry import FileAsset, HubAsset, from_parameters, read_registry
from tests.fetch.common import ABOUT
from tests.helpers import ROOT

REGISTRY = ROOT / "workflow/resources/assets.yaml"
ENTRIES: dict[str, dict[str, Any]] = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
FILES = {name: entry for name, entry in ENTRIES.items() if "file" in entry}
MODELS = {name: entry for name, entry in ENTRIES.items() if "hub" in entry}
HUB_FILES = [
    "README.md", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "vocab.json", "merges.txt", "spiece.model", "flax_model.msgpack", "tf_model.h5",
]  # fmt: skip


def names(entries: dict[str, dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("name", entries)


def test_every_entry_of_the_registry_is_read_and_all_that_the_paper_profile_names_is_there() -> None:
    assert list(read_registry(REGISTRY)) == list(ENTRIES)
    assert len(FILES) + len(MODELS) == len(ENTRIES)
    profile = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
    names = {*named_assets(profile), *profile["local"], profile["encoder"]["weights"]}
    assert {"coco-val2014", "karpathy-splits", "magic-coco"} <= names <= set(ENTRIES)
    others = [about["language_model"] for about in profile["vqa_methods"].values() if "language_model" in about]
    assert {profile["language_model"]["name"], *others} <= {entry["hub"] for entry in MODELS.values()}


def named_assets(config: Any) -> Iterator[str]:
    """Every asset that a profile names: `asset: NAME`, and the published predictions of experiments."""
    for key, value in config.items() if isinstance(config, dict) else ():
        if key == "asset":
            yield value
        elif key == "published":
            yield from value.values()
        else:
            yield from named_assets(value)


def test_the_documentation_names_every_asset() -> None:
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    table = {name for line in text.splitlines() if line.startswith("| `") for name in re.findall("`([^`]+)`", line)}
    assert table == set(ENTRIES)
    unpinned = {name for name, entry in ENTRIES.items() if "unpinned" in (entry.get("sha256"), entry.get("revision"))}
    (sentence,) = re.findall(r"Unpinned are (.*?)circulation", text, re.S)
    assert set(re.findall("`([^`]+)`", sentence)) == unpinned


@names(ENTRIES)
def test_an_entry_says_what_it_is_where_that_was_seen_and_what_is_not_known(name: str) -> None:
    entry = ENTRIES[name]
    if entry["size"] is None or "unpinned" in (entry.get("sha256"), entry.get("revision")):
        assert "unverified" in entry
    for source in entry["seen"]:
        assert re.match(r"https://\S+|[\w.-]+/[\w.-]+:[\w./-]+( |$)", source), f"{source}: no address or repo:path"


def test_no_two_entries_share_a_file_a_hash_or_an_address() -> None:
    for key in ("file", "sha256"):
        values = [entry[key] for entry in FILES.values() if entry[key] != "unpinned"]
        assert len(values) == len(set(values))
    addresses = [url for entry in FILES.values() for url in entry["urls"]]
    assert len(addresses) == len(set(addresses))
    assert len({entry["hub"] for entry in MODELS.values()}) == len(MODELS)


@names(FILES)
def test_an_address_is_safe_and_names_the_very_file(name: str) -> None:
    """Plain http comes last and only with a hash; the address on GitHub has a commit, that of OpenAI the hash."""
    entry = FILES[name]
    assert ("ask" in entry) == (not entry["urls"])
    schemes = [url.split("://")[0] for url in entry["urls"]]
    assert schemes == sorted(schemes, key=["https", "http"].index)
    assert "http" not in schemes or ("https" in schemes and entry["sha256"] != "unpinned")
    for url in entry["urls"]:
        if "github" in url:
            assert re.match(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/", url)
        if "openaipublic" in url:
            assert url.split("/")[-2:] == [entry["sha256"], Path(entry["file"]).name]


@pytest.mark.parametrize(
    ("name", "model"), [("clip-vit-b-32", "ViT-B-32"), ("clip-vit-b-16", "ViT-B-16"), ("clip-vit-l-14", "ViT-L-14")]
)
def test_open_clip_names_the_same_address(name: str, model: str) -> None:
    from open_clip.pretrained import get_pretrained_cfg

    assert get_pretrained_cfg(model, "openai")["url"] == FILES[name]["urls"][0]


@names(MODELS)
def test_a_model_is_one_commit_and_one_set_of_weights(name: str) -> None:
    entry = MODELS[name]
    layouts = [
        ["pytorch_model.bin"], ["model.safetensors"],
        ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"],
        ["model-00001-of-00002.safetensors", "model.safetensors.index.json"],
    ]  # fmt: skip
    there = [*HUB_FILES, *itertools.chain(*layouts)]
    taken = [file for file in there if any(fnmatch.fnmatch(file, pattern) for pattern in entry["patterns"])]
    assert "config.json" in taken
    assert {"vocab.json", "tokenizer.json"} & set(taken)
    weights = {Path(file).suffix for file in taken} & {".bin", ".safetensors", ".msgpack", ".h5"}
    assert len(weights) == 1, f"{name} would fetch {weights}"
    assert any(set(layout) <= set(taken) for layout in layouts)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("magic-coco", "magic_mscoco"), ("magic-flickr30k", "magic_flickr30k"),
        ("clipre-coco", "clipre_mscoco"), ("zerocap-flickr30k", "zerocap_flickr30k"),
    ],
)  # fmt: skip
def test_published_predictions_are_the_files_at_hand(shared: Path, name: str, file: str) -> None:
    data = gzip.decompress((shared / f"real/published_predictions/{file}.json.gz").read_bytes())
    assert (len(data), hashlib.sha256(data).hexdigest()) == (FILES[name]["size"], FILES[name]["sha256"])


# How entries are read.

FILE = {"file": "a/b.zip", "urls": ["https://example.org/b.zip"], "size": 3, "sha256": "0" * 64, **ABOUT}
HUB = {"hub": "facebook/opt-125m", "revision": "1" * 40, "patterns": ["*.json"], **ABOUT}


def written(tmp_path: Path, entries: dict[str, Any]) -> Path:
    path = tmp_path / "assets.yaml"
    path.write_text(json.dumps(entries))
    return path


def test_entries_survive_their_way_through_a_rule(tmp_path: Path) -> None:
    by_hand = FILE | {"file": "c", "urls": [], "ask": "there", "sha256": "unpinned", "size": None, "unverified": "all"}
    assets = read_registry(written(tmp_path, {"b": FILE, "hand": by_hand, "opt": HUB | {"revision": "unpinned"}}))
    assert assets["b"] == FileAsset("b", "a/b.zip", ("https://example.org/b.zip",), 3, "0" * 64)
    assert assets["hand"] == FileAsset("hand", "c", (), None, None, "there")
    assert assets["opt"] == HubAsset("opt", "facebook/opt-125m", None, ("*.json",))
    for one in assets.values():
        assert from_parameters({"lock": "x"} | one.parameters()) == one
    assert not any("licence" in key for one in assets.values() for key in one.parameters())


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (FILE | {"mirrors": []}, "`mirrors` is not a key of a file; known: .*urls"),
        (HUB | {"urls": []}, "`urls` is not a key of a model; known: .*patterns"),
        (FILE | {"sha256": "0" * 63}, "`sha256: 0{63}` must be 64 lower-case hex digits"),
        (FILE | {"sha256": 12}, r"`sha256: 12` must be 64 lower-case hex digits \(in quotes\), or `unpinned`"),
        (FILE | {"sha256": None}, "`sha256: ` must be 64 lower-case hex digits"),
        (HUB | {"revision": "main"}, "`revision: main` must be a commit of 40 lower-case hex digits"),
        (FILE | {"urls": []}, "no `urls` and no `ask`"), (FILE | {"ask": "there"}, "has `urls` and `ask`"),
        (FILE | {"urls": ["ftp://example.org/a"]}, r"`urls: .*ftp://.* must be a list of http\(s\) addresses"),
        (FILE | {"urls": "https://example.org/a"}, r"must be a list of http\(s\) addresses"),
        (FILE | {"file": "../b.zip"}, "`file: ../b.zip` must be a relative path inside"),
        (FILE | {"file": "/b.zip"}, "must be a relative path inside"),
        (FILE | {"size": "3 GB"}, "`size: 3 GB` must be a number of bytes"),
        (FILE | {"size": True}, "must be a number of bytes"), (FILE | {"size": 0}, "must be a number of bytes"),
        ({key: FILE[key] for key in FILE if key != "urls"}, "`urls` is missing: a list of"),
        (FILE | {"licence": ""}, "`licence: ` must be a text"), (FILE | {"seen": []}, r"`seen: \[\]` must be a list"),
        (HUB | {"patterns": []}, r"`patterns: \[\]` must be a list"),
        (HUB | {"hub": "../opt"}, "`hub: ../opt` must be a name like facebook/opt-125m"), (["a"], "must be a mapping"),
    ],
)  # fmt: skip
def test_a_bad_entry_is_named_with_its_fault(tmp_path: Path, entry: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"assets\.yaml: asset wrong: .*{told}"):
        read_registry(written(tmp_path, {"right": HUB, "wrong": entry}))


def test_an_asset_given_twice_is_refused_as_yaml_would_silently_take_the_last(tmp_path: Path) -> None:
    (tmp_path / "assets.yaml").write_text("one: {}\ntwo: {}\none: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"assets\.yaml: .*line 3 gives the key 'one' again, after line 1"):
        read_registry(tmp_path / "assets.yaml")


def test_two_assets_cannot_share_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"asset two: `file: a/b\.zip` is taken by one"):
        read_registry(written(tmp_path, {"one": FILE, "two": FILE}))


@pytest.mark.parametrize("name", ["a b", "../a", "", 3])
def test_a_name_that_is_no_name_of_a_file_is_refused(tmp_path: Path, name: Any) -> None:
    path = tmp_path / "assets.yaml"
    path.write_text(yaml.safe_dump({name: FILE}))
    with pytest.raises(ConfigError, match="must be a name of letters"):
        read_registry(path)
