"""One trained run, one shard of each test set -> captions of every experiment that decodes with the run.

Outputs are named `<trained on>/<experiment>/<tested on>/s<seed>.<shard>`: `.json` in the COCO results format with
candidates and scores beside, `.features.safetensors` with the captions' text features, which CLIPScore needs.
"""

from pathlib import Path
from typing import Any

import torch

from ..artifacts import write_json
from ..captioning import Captioner, load_adaptor
from ..config import DecodingSettings, settings
from ..devices import frozen_dtype, pick_device
from ..encoder import Encoder, load_encoder
from ..features import ImageFeatures, TextFeatures, read_image_features, write_store
from ..language_model import LanguageModel, load_language_model
from ..methods import load_method
from . import Job
from .train import training_settings


def run(job: Job) -> None:
    encoder, lm = load_models(job)
    images = {path.parent.name: read_image_features([path]) for path in job.inputs["images"]}
    memory = training_memory(job)
    for out in job.outputs[::2]:
        *_, experiment, tested, _ = out.parts
        decoding = settings(DecodingSettings, job.cfg, "decoding", f"experiments.{experiment}.decoding")
        captioner = trained_captioner(job, encoder, lm, images[tested], memory, decoding, seed_of(out))
        write_predictions(out, captioner.caption(images[tested]), encoder, decoding.clipscore_prompt, job)


def load_models(job: Job) -> tuple[Encoder, LanguageModel]:
    """The frozen models of a job, on the device that its config asks for."""
    device = pick_device(job.cfg["gpus"])
    dtype = frozen_dtype(device, job.cfg["training.precision"])
    return (
        load_encoder(str(job.folder("encoder")), device=str(device)),
        load_language_model(str(job.folder("language_model")), device, dtype),
    )


def training_memory(job: Job) -> TextFeatures | None:
    """The training captions' features, for the methods that project images onto them."""
    return TextFeatures(job.inputs["memory"]) if job.inputs.get("memory") else None


def seed_of(out: Path) -> int:
    """The seed in an output's name, `s<seed>` or `s<seed>.<shard>`."""
    return int(out.name.split(".")[0].removeprefix("s"))


def trained_captioner(
    job: Job,
    encoder: Encoder,
    lm: LanguageModel,
    images: ImageFeatures,
    memory: TextFeatures | None,
    decoding: DecodingSettings,
    seed: int,
) -> Captioner:
    """The captioner of one seed of the run that the job's `adaptors` belong to."""
    weights = job.inputs["adaptors"][job.seeds.index(seed)]
    trained, run_name = weights.parts[-4:-2]
    method = load_method(job.cfg[f"runs.{run_name}.method"], training_settings(job, trained, run_name))
    adaptor = load_adaptor(method, weights, images.global_.shape[1], lm.dim)
    return Captioner(encoder, lm, method, adaptor, memory, decoding, seed)


def write_predictions(out: Path, predictions: list[dict[str, Any]], encoder: Encoder, prompt: str, job: Job) -> None:
    """The predictions, and beside them the features of `prompt` + caption; a text occurs once in the encoder."""
    write_json(out, predictions)
    texts = [prompt + row["caption"] for row in predictions]
    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    features = encoder.text_features(list(place))[torch.tensor([place[text] for text in texts])]
    ids = [row["image_id"] for row in predictions]
    write_store(out.with_suffix(".features.safetensors"), {"features": features}, ids, job.cfg["encoder.dtype"])
