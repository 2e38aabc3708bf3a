"""One trained run -> predictions of every experiment that decodes with it, two files per seed.

Outputs are named `<trained on>/<experiment>/<tested on>/s<seed>`: `.json` in the COCO results format with candidates
and scores beside, `.features.safetensors` with the captions' text features, which CLIPScore needs.
"""

from pathlib import Path
from typing import Any

from ..artifacts import write_json
from ..captioning import Captioner, load_adaptor
from ..config import DecodingSettings, TrainingSettings, settings
from ..encoder import Encoder, load_encoder
from ..features import ImageFeatures, read_image_features, read_store, write_store
from ..language_model import LanguageModel, load_language_model
from ..methods import load_method
from . import Job


def run(job: Job) -> None:
    encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
    lm = load_language_model(job.cfg["language_model.name"])
    images = {path.parent.name: read_image_features(path) for path in job.inputs["images"]}
    for out in job.outputs[::2]:
        *_, experiment, tested, _ = out.parts
        decoding = settings(DecodingSettings, job.cfg, "decoding", f"experiments.{experiment}.decoding")
        index = job.seeds.index(int(out.stem.removeprefix("s")))
        captioner = trained_captioner(job, encoder, lm, images[tested], decoding, index)
        write_predictions(out, captioner.caption(images[tested]), encoder, decoding.clipscore_prompt, job)


def trained_captioner(
    job: Job, encoder: Encoder, lm: LanguageModel, images: ImageFeatures, decoding: DecodingSettings, index: int
) -> Captioner:
    """The captioner of seed number `index` of the run that the job's `adaptors` belong to."""
    weights = job.inputs["adaptors"][index]
    run_name = weights.parents[1].name
    training = settings(TrainingSettings, job.cfg, "training", f"runs.{run_name}.training")
    method = load_method(job.cfg[f"runs.{run_name}.method"], training)
    adaptor = load_adaptor(method, weights, images.global_.shape[1], lm.dim)
    memory = read_store(job.input("memory"))["features"]
    return Captioner(encoder, lm, method, adaptor, memory, decoding, job.seeds[index])


def write_predictions(out: Path, predictions: list[dict[str, Any]], encoder: Encoder, prompt: str, job: Job) -> None:
    """The predictions, and beside them the features of `prompt` + caption."""
    write_json(out, predictions)
    features = encoder.text_features([prompt + row["caption"] for row in predictions])
    ids = [row["image_id"] for row in predictions]
    write_store(out.with_suffix(".features.safetensors"), {"features": features}, ids, job.cfg["encoder.dtype"])
