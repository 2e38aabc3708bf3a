"""A small stand-in for everything that the paper profile downloads, in the very formats and at the very paths.

`build(folder, registry)` writes a mirror (`MACCAP_MIRROR`) for the assets of the real registry and the registry that
pins its files: images, captions and questions of the embedded world under the names of COCO and Flickr30k, captions of
the web, published predictions, CLIP ViT-B/32 at full size with random weights in OpenAI's archive format, the embedded
world's OPT and an untrained tiny T5, in the hub's files.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import open_clip
import torch
import yaml
from transformers import OPTForCausalLM, T5Config, T5ForConditionalGeneration

from maccap.fetch.hub import mirror_folder
from maccap.fetch.registry import HubAsset, read_registry
from maccap.world.scene_files import write_world
from maccap.world.scenes import caption, scenes
from tests.helpers.files import tarred, zipped
from tests.helpers.tiny import SHIPPED, t5_tokenizer
from tests.models.test_encoder import Holder

COUNTS = {"train": 22, "val": 4, "test": 12}
RESTVAL = 6  # of COCO's training images
WEB_CAPTIONS = {"cc3m-train": 60, "cc3m-validation": 8}
LEFT_OUT = 1  # test images that published predictions do not cover


def build(folder: Path, registry: Path) -> Path:
    """Write `<folder>/mirror` and return the registry `<folder>/assets.yaml` that pins what is in it."""
    mirror, assets = folder / "mirror", read_registry(registry)
    files, photos = _world("daylight")
    coco = files["dataset"] | {"dataset": "coco"}
    flickr = _world("chalk")[0]["dataset"] | {"dataset": "flickr30k"}
    for image in coco["images"]:
        image |= {"filepath": "val2014", "filename": _coco_name(image["cocoid"])}
    for image in coco["images"][:RESTVAL]:
        image["split"] = "restval"
    content = {
        "karpathy-splits": zipped({"dataset_coco.json": coco, "dataset_flickr30k.json": flickr}),
        "coco-val2014": zipped({f"val2014/{_coco_name(int(Path(name).stem))}": photos[name] for name in photos}),
        "clip-vit-b-32": _openai_clip(), "corenlp-3.6.0": _corenlp(),
        **{name: _conceptual(count) for name, count in WEB_CAPTIONS.items()}, **_vqa(files),
        **_published({"coco": coco, "flickr30k": flickr}, assets),
    }  # fmt: skip
    texts = [sentence["raw"] for image in coco["images"] for sentence in image["sentences"]]
    hub = {"facebook/opt-1.3b": _opt(), "google/flan-t5-xl": _t5(texts)}
    entries = yaml.safe_load(registry.read_text(encoding="utf-8"))
    for name, asset in assets.items():
        if isinstance(asset, HubAsset):
            if asset.hub in hub:
                _write_model(mirror / mirror_folder(asset), hub[asset.hub])
            entries[name]["size"] = None
        elif name in content:
            path = mirror / asset.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content[name])
            entries[name] |= {"size": len(content[name]), "sha256": hashlib.sha256(content[name]).hexdigest()}
    pinned = folder / "assets.yaml"
    pinned.write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return pinned


def flickr_archive(folder: Path) -> Path:
    """The photos that a user has to ask for, as they are handed out."""
    path = folder / "flickr30k-images.tar.gz"
    photos = _world("chalk")[1]
    path.write_bytes(tarred({f"flickr30k-images/{name}": photos[name] for name in photos}))
    return path


def _world(domain: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """One domain of the embedded world: its JSON files and its images, by name."""
    with tempfile.TemporaryDirectory() as folder:
        write_world(Path(folder), domain, COUNTS, 3, seed=1)
        files = {path.stem: json.loads(path.read_bytes()) for path in Path(folder).glob("*.json")}
        with zipfile.ZipFile(Path(folder, "images.zip")) as archive:
            return files, {name: archive.read(name) for name in archive.namelist()}


def _coco_name(image_id: int) -> str:
    return f"COCO_val2014_{image_id:012d}.jpg"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _conceptual(count: int) -> bytes:
    texts = (caption(scene, rng).lower() for scene, rng in scenes("daylight", "test", count, 1))
    return "".join(f"{text}\thttps://example.org/{i}.jpg\n" for i, text in enumerate(texts)).encode()


def _vqa(files: dict[str, Any]) -> dict[str, bytes]:
    """The four official archives; the questions of val are about the test images."""
    archives = {}
    for split, ours in (("train", "train"), ("val", "test")):
        header = {"data_type": "mscoco", "data_subtype": f"{split}2014", "license": {}}
        for kind, name in (("questions", "v2_OpenEnded_mscoco"), ("annotations", "v2_mscoco")):
            content = files[f"vqa_{kind}.{ours}"] | header
            archives[f"vqa2-{kind}-{split}"] = zipped({f"{name}_{split}2014_{kind}.json": content})
    return archives


def _published(splits: dict[str, dict], assets: dict) -> dict[str, bytes]:
    """Predictions in MAGIC's form: another image's caption for each test image, but for those left out."""
    found = {}
    for name in assets:
        if name.startswith(("magic-", "zerocap-", "clipre-")):
            images = [image for image in splits[name.split("-")[-1]]["images"] if image["split"] == "test"]
            rows = [
                {"split": "test", "image_name": image["filename"], "prediction": other["sentences"][1]["raw"],
                 "captions": [s["raw"] for s in image["sentences"]]}
                for image, other in zip(images, images[1:] + images[:1])
            ]  # fmt: skip
            found[name] = _json(rows[LEFT_OUT:])
    return found


def _openai_clip() -> bytes:
    """ViT-B/32 with random weights, in float16 within a TorchScript archive, as OpenAI publishes it."""
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu")
    state = {name: value.half() for name, value in model.state_dict().items()}
    sizes = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    data = io.BytesIO()
    torch.jit.save(torch.jit.script(Holder(state | {k: torch.tensor(v) for k, v in sizes.items()})), data)
    return data.getvalue()


def _corenlp() -> bytes:
    folder = "stanford-corenlp-full-2015-12-09"
    return zipped({f"{folder}/stanford-corenlp-3.6.0{kind}.jar": kind.encode() or b"code" for kind in ("", "-models")})


def _write_model(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, body in files.items():
        (folder / name).write_bytes(body)
    index = [{"name": n, "size": len(b), "sha256": hashlib.sha256(b).hexdigest()} for n, b in sorted(files.items())]
    (folder / "index.json").write_text(json.dumps(index))


def _opt() -> dict[str, bytes]:
    """The files of facebook/opt-1.3b: the embedded world's OPT, its tokenizer as vocabulary and merges."""
    lm = OPTForCausalLM.from_pretrained(SHIPPED / "opt-scenes", dtype=torch.float16)
    model = json.loads((SHIPPED / "opt-scenes/tokenizer.json").read_bytes())["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    special = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}
    weights = io.BytesIO()
    torch.save(lm.state_dict(), weights)
    return {
        "config.json": lm.config.to_json_string().encode(),
        "generation_config.json": (SHIPPED / "opt-scenes/generation_config.json").read_bytes(),
        "vocab.json": _json(model["vocab"]),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]).encode(),
        "tokenizer_config.json": _json(special | {
            "errors": "replace", "add_prefix_space": False, "add_bos_token": True, "tokenizer_class": "GPT2Tokenizer",
        }),
        "special_tokens_map.json": _json(special),
        "pytorch_model.bin": weights.getvalue(),
    }  # fmt: skip


def _t5(texts: list[str]) -> dict[str, bytes]:
    """The files of google/flan-t5-xl, with its weights in two parts."""
    tokenizer = t5_tokenizer([*texts, "Question: what is it? Short answer: yes"])
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        T5ForConditionalGeneration(config).save_pretrained(folder, max_shard_size="300KB")
        tokenizer.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}
