"""The registry of downloads: well-formed, every claim with its source, and equal to the data that is at hand."""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from maccap.fetch.registry import read_registry
from tests.helpers import ROOT

REGISTRY = ROOT / "workflow/resources/assets.yaml"
ENTRIES: dict[str, dict[str, Any]] = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
FILES = {name: entry for name, entry in ENTRIES.items() if "file" in entry}
MODELS = {name: entry for name, entry in ENTRIES.items() if "hub" in entry}
COMMON = {"size", "licence", "citation", "seen"}
WANTED = {
    "coco-train2014", "coco-val2014", "coco-annotations", "karpathy-splits", "flickr30k-images", "cc3m-train",
    "cc3m-validation", "vqa2-questions-train", "vqa2-questions-val", "vqa2-annotations-train", "vqa2-annotations-val",
    "clip-vit-b-32", "opt-125m", "opt-1.3b", "opt-2.7b", "flan-t5-large", "flan-t5-xl", "corenlp-3.6.0",
    "magic-coco", "magic-flickr30k", "magic-coco-flickr30k", "magic-flickr30k-coco", "zerocap-coco",
    "zerocap-flickr30k",
}  # fmt: skip
HUB_FILES = [
    "README.md", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "vocab.json", "merges.txt", "spiece.model", "flax_model.msgpack", "tf_model.h5",
]  # fmt: skip


def names(entries: dict[str, dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("name", entries)


def test_the_registry_is_read_and_holds_all_that_was_asked_for() -> None:
    assert list(read_registry(REGISTRY)) == list(ENTRIES)
    assert set(ENTRIES) >= WANTED
    assert len(FILES) + len(MODELS) == len(ENTRIES)


def named_assets(config: Any) -> Iterator[str]:
    """Every asset that a profile names: `asset: NAME`, and the published predictions of experiments."""
    for key, value in config.items() if isinstance(config, dict) else ():
        if key == "asset":
            yield value
        elif key == "published":
            yield from value.values()
        else:
            yield from named_assets(value)


def test_the_registry_has_what_the_paper_profile_names() -> None:
    profile = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
    names = {*named_assets(profile), *profile["local"], profile["encoder"]["weights"]}
    assert {"coco-val2014", "karpathy-splits", "magic-coco"} <= names <= set(ENTRIES)
    answerers = [about["language_model"] for about in profile["answerers"].values() if "language_model" in about]
    assert {profile["language_model"]["name"], *answerers} <= {entry["hub"] for entry in MODELS.values()}


def test_the_documentation_names_every_asset() -> None:
    text = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    table = {name for line in text.splitlines() if line.startswith("| `") for name in re.findall("`([^`]+)`", line)}
    assert table == set(ENTRIES)
    unpinned = {name for name, entry in ENTRIES.items() if "unpinned" in (entry.get("sha256"), entry.get("revision"))}
    (sentence,) = re.findall(r"Unpinned are (.*?)circulation", text, re.S)
    assert set(re.findall("`([^`]+)`", sentence)) == unpinned


@names(ENTRIES)
def test_an_entry_says_what_it_is_and_where_that_was_seen(name: str) -> None:
    entry = ENTRIES[name]
    kind = {"file", "urls", "sha256"} if name in FILES else {"hub", "revision", "patterns"}
    assert kind | COMMON <= set(entry)
    assert set(entry) <= kind | COMMON | {"unverified", "ask"}
    assert all(entry[key].strip() for key in ("licence", "citation", "unverified", "ask") if key in entry)
    assert entry["size"] is None or entry["size"] > 0
    assert entry["seen"]
    for source in entry["seen"]:
        assert re.match(r"https://\S+|[\w.-]+/[\w.-]+:[\w./-]+( |$)", source), (
            f"{source}: neither address nor repo:path"
        )


@names(ENTRIES)
def test_what_is_not_known_is_said(name: str) -> None:
    entry = ENTRIES[name]
    if entry["size"] is None or "unpinned" in (entry.get("sha256"), entry.get("revision")):
        assert "unverified" in entry


@names(FILES)
def test_a_file_lies_below_the_downloads_and_is_pinned(name: str) -> None:
    path, sha256 = PurePosixPath(FILES[name]["file"]), FILES[name]["sha256"]
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert sha256 == "unpinned" or re.fullmatch("[0-9a-f]{64}", sha256)


def test_no_two_entries_share_a_file_a_hash_or_an_address() -> None:
    for key in ("file", "sha256"):
        values = [entry[key] for entry in FILES.values() if entry[key] != "unpinned"]
        assert len(values) == len(set(values))
    addresses = [url for entry in FILES.values() for url in entry["urls"]]
    assert len(addresses) == len(set(addresses))
    assert len({entry["hub"] for entry in MODELS.values()}) == len(MODELS)


@names(FILES)
def test_plain_http_comes_last_and_only_with_a_hash(name: str) -> None:
    entry = FILES[name]
    assert ("ask" in entry) == (not entry["urls"])
    schemes = [url.split("://")[0] for url in entry["urls"]]
    assert schemes == sorted(schemes, key=["https", "http"].index)
    if "http" in schemes:
        assert "https" in schemes
        assert entry["sha256"] != "unpinned"


@names({name: entry for name, entry in FILES.items() if "openaipublic" in str(entry["urls"])})
def test_the_hash_of_openai_weights_is_the_one_in_their_address(name: str) -> None:
    (url,) = FILES[name]["urls"]
    assert url.split("/")[-2:] == [FILES[name]["sha256"], Path(FILES[name]["file"]).name]


@pytest.mark.parametrize(
    ("name", "model"), [("clip-vit-b-32", "ViT-B-32"), ("clip-vit-b-16", "ViT-B-16"), ("clip-vit-l-14", "ViT-L-14")]
)
def test_open_clip_names_the_same_address(name: str, model: str) -> None:
    from open_clip.pretrained import get_pretrained_cfg

    assert get_pretrained_cfg(model, "openai")["url"] == FILES[name]["urls"][0]


@names(MODELS)
def test_a_model_is_one_commit_and_one_set_of_weights(name: str) -> None:
    entry = MODELS[name]
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry["hub"])
    assert entry["revision"] == "unpinned" or re.fullmatch("[0-9a-f]{40}", entry["revision"])
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


@names({name: entry for name, entry in FILES.items() if "github" in str(entry["urls"])})
def test_a_file_of_a_repository_is_named_by_its_commit(name: str) -> None:
    assert re.match(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/[0-9a-f]{40}/", FILES[name]["urls"][0])
