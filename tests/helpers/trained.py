"""A project with trained runs in it, made in seconds from miniature models."""

import os
from contextlib import chdir
from pathlib import Path

from maccap.core.job import Job
from maccap.data.text_corpus import TextSet
from maccap.methods.base import Resources
from maccap.methods.registry import load_method
from maccap.models.encoder import load_encoder
from maccap.models.language_model import load_language_model
from maccap.steps import describe_run
from maccap.training.trainer import Trainer
from tests.helpers.tiny import GENERATION, SELECTION, TRAINING, make_models, text_files

SEED = 3
ANSWERING = {"batch_size": 4, "beams": 2, "max_new_tokens": 3, "length_penalty": -1.0, "prompt": "Q: {question} A:"}
RUNS = {"maccap": None, "decap": None, "viecap": {"vocabulary": "words.txt", "prompt": "Tags: {entities}."}}


def make_project(root: Path) -> None:
    """Write a project with models, training captions and their features, and trained runs of RUNS."""
    (root / "config").mkdir(parents=True)
    (root / "config/config.yaml").write_text("profile: small\n")
    (root / "Snakefile").write_text("")
    (root / "words.txt").write_text("boat\nfish\ntree\n")
    make_models(root / "models")
    with chdir(root):
        encoder, lm = load_encoder("models/clip"), load_language_model("models/opt")
        nouns, places = ("boat", "fish", "tree"), ("sand", "grass")
        texts = [f"A red {noun} on the {place}." for noun in nouns for place in places] * 4
        captions = Path("artifacts/small/data/daylight")
        captions.mkdir(parents=True)
        shards, table = text_files(captions, encoder.text_features(texts), texts, 2)
        data = TextSet.read(shards, table)
        models = {
            "encoder": {"name": "models/clip", "pretrained": None, "dtype": "float16"},
            "language_model": {"name": "models/opt", "dtype": "float32"},
        }
        folders = []
        for name, options in RUNS.items():
            method = load_method(name, TRAINING, options, Resources(data, None, ("boat", "fish", "tree")))
            folders.append(Path("artifacts/small/runs/daylight", name, f"s{SEED}"))
            about = {"trained": "daylight", "run": name} | models
            Trainer(method, lm, data, data, TRAINING, SEED, folders[-1], about).run()
        for folder in folders:
            describe(folder, shards, table)


def describe(folder: Path, shards: list[Path], table: Path, **changes) -> None:
    """Write run.json of a run's only seed, as the step does, with some settings changed."""
    settings = {"generation": GENERATION.model_dump(), "selection": SELECTION.model_dump(), "answering": ANSWERING}
    cfg = {f"{name}.{key}": value for name, own in settings.items() for key, value in own.items()}
    inputs = {
        "weights": [folder / "adaptor.safetensors"], "log": [folder / "log.jsonl"],
        "encoder_files": [Path("models/clip") / name for name in sorted(os.listdir("models/clip"))],
        "language_model_files": [Path("models/opt") / name for name in sorted(os.listdir("models/opt"))],
        "memory": shards, "memory_captions": [table], "pairs": [],
    }  # fmt: skip
    describe_run.run(Job(inputs, [folder / "run.json"], cfg | changes))
