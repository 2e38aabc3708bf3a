"""This package at work, measured as in `released_side.py`: `python maccap_side.py FOLDER WORK THREADS COUNT`.

WORK is `train`, or `train-masked` with padding left out of the loss; or `encode`, which leaves the features of images
in FOLDER, or `caption`, which captions them: as in the workflow, where a job of its own extracts features once.
Text features are there when training begins. Captioning as the released code does it is `encode` and `caption`.
"""

import json
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from full_size import CLIP, random_images
from measured import measured

from maccap.core.settings import GenerationSettings, SelectionSettings, TrainingSettings
from maccap.data.captions import Caption, write_captions
from maccap.data.features import read_image_features, write_store
from maccap.data.text_corpus import TextSet
from maccap.inference.captioning import Captioner
from maccap.methods.registry import load_method
from maccap.models.encoder import Encoder, load_encoder
from maccap.models.image_features import encode_images
from maccap.models.language_model import LanguageModel, load_language_model
from maccap.training.trainer import Trainer

TRAINING = TrainingSettings(
    batch_size=16, epochs=1, precision="no", log_every=10, validate_every=10**9, checkpoint_every=10**9
)
GENERATION = GenerationSettings(batch_size=8)
SELECTION = SelectionSettings(clipscore_prompt="")


STORE = "images.safetensors"


def load(folder: Path) -> tuple[Encoder, LanguageModel]:
    encoder = load_encoder(CLIP, pretrained=str(folder / "clip.pt")).text_only()
    return encoder, load_language_model(str(folder / "opt"))


def prepared(encoder: Encoder) -> Encoder:
    """An encoder of images that its transform has left."""
    return replace(encoder, transform=lambda image: image)


def text_set(encoder: Encoder, folder: Path, captions: list[str]) -> TextSet:
    rows = [Caption(i, f"{i}.jpg", "train", i, text) for i, text in enumerate(captions)]
    write_captions(folder / "captions.train.jsonl", rows)
    store = folder / "captions.train.1-of-1.safetensors"
    write_store(store, {"features": encoder.text_features(captions)}, list(range(len(rows))), "float16")
    return TextSet.read([store], folder / "captions.train.jsonl")


def train(folder: Path, count: int, *, count_padding: bool = True) -> dict[str, float]:
    encoder, lm = load(folder)
    captions = json.loads((folder / "captions.json").read_text())[:count]
    settings = TRAINING.model_copy(update={"count_padding": count_padding})
    method = load_method("maccap", settings)

    def run(some: list[str]) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as work:
            data = text_set(encoder, Path(work), some)
            val = text_set(encoder, Path(work), some[:1])
            trainer = Trainer(method, lm, data, val, settings, 0, Path(work) / "run", {"trained": "", "run": ""})
            return measured(trainer.run, len(some))

    run(captions[:32])
    return run(captions)


def encode(folder: Path, count: int) -> dict[str, float]:
    encoder, images = prepared(load_encoder(CLIP, pretrained=str(folder / "clip.pt"))), random_images(count)

    def work(rows: range) -> None:
        size = GENERATION.batch_size
        parts = [encode_images(encoder, list(images[: len(rows)][i : i + size])) for i in range(0, len(rows), size)]
        columns = dict(zip(("global", "tokens", "attention"), map(torch.cat, zip(*parts, strict=True)), strict=True))
        write_store(folder / STORE, columns, list(rows), "float32")

    work(range(2))
    return measured(lambda: work(range(count)), count)


def caption(folder: Path, count: int) -> dict[str, float]:
    encoder, lm = load(folder)
    method = load_method("maccap", TRAINING)
    torch.manual_seed(0)
    captioner = Captioner(
        encoder, lm, method, method.adaptor(encoder.dim, lm.dim).eval(), GENERATION, SELECTION.draws, 0
    )
    images = read_image_features([folder / STORE])
    captioner.caption(images.rows(slice(0, 2)), SELECTION)
    return measured(lambda: replace(captioner).caption(images, SELECTION), count)


if __name__ == "__main__":
    folder, work, threads, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    works = {"encode": encode, "caption": caption, "train": train, "train-masked": partial(train, count_padding=False)}
    print(json.dumps(works[work](folder, count)))
