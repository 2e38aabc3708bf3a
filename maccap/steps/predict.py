"""One run, one shard of each test set -> captions of every experiment that decodes with the run.

Outputs are named `<trained on>/<experiment>/<tested on>/s<seed>.<shard>`: `.json` in the COCO results format with
candidates and scores beside, `.features.safetensors` with the captions' text features, which CLIPScore needs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.artifacts import write_json
from ..core.job import Job
from ..core.settings import DecodingSettings, settings
from ..data.features import read_image_features, write_store
from ..inference.captioning import Captioner, choose, load_adaptor
from ..methods.base import TrainedMethod
from ..models.devices import frozen_dtype, pick_device
from ..models.encoder import EncodedOnce, Encoder, load_encoder
from ..models.language_model import LanguageModel, load_language_model
from .train import method_of


def run(job: Job) -> None:
    encoder, lm = load_models(job)
    images = {path.parent.name: read_image_features([path]) for path in job.inputs["images"]}
    for (tested, seed, _), outputs in _alike(job).items():
        most = replace(outputs[0][1], draws=max(decoding.draws for _, decoding in outputs))
        *_, trained, experiment, _, _ = outputs[0][0].parts
        captioner = run_captioner(job, encoder, lm, trained, experiment, most, seed)
        candidates = captioner.candidates(images[tested])
        for out, decoding in outputs:
            predictions = choose(captioner.encoded, images[tested], candidates, decoding)
            write_predictions(out, predictions, captioner.encoded, decoding.clipscore_prompt, job)


def _alike(job: Job) -> dict[tuple[str, int, DecodingSettings], list[tuple[Path, DecodingSettings]]]:
    """The outputs with their settings, those together whose candidates are the same but for their number."""
    groups: dict[tuple[str, int, DecodingSettings], list[tuple[Path, DecodingSettings]]] = {}
    for out in job.outputs[::2]:
        *_, experiment, tested, _ = out.parts
        decoding = settings(DecodingSettings, job.cfg, "decoding", f"experiments.{experiment}.decoding")
        generated = replace(decoding, draws=0, clean=False, rerank_characters=0, clipscore_prompt="")
        groups.setdefault((tested, seed_of(out), generated), []).append((out, decoding))
    return groups


def load_models(job: Job) -> tuple[Encoder, LanguageModel]:
    """The frozen models of a job, on the device that its config asks for; the encoder encodes only texts."""
    device = pick_device(job.cfg["gpus"])
    dtype = frozen_dtype(device, job.cfg["training.precision"])
    return (
        load_encoder(str(job.folder("encoder")), device=str(device)).text_only(),
        load_language_model(str(job.folder("language_model")), device, dtype),
    )


def seed_of(out: Path) -> int:
    """The seed in an output's name, `s<seed>` or `s<seed>.<shard>`."""
    return int(out.name.split(".")[0].removeprefix("s"))


def run_captioner(
    job: Job,
    encoder: Encoder,
    lm: LanguageModel,
    trained: str,
    experiment: str,
    decoding: DecodingSettings,
    seed: int,
) -> Captioner:
    """The captioner of one seed of an experiment's run on a data set."""
    method = method_of(job, trained, job.cfg[f"experiments.{experiment}.run"])
    adaptor = None
    if isinstance(method, TrainedMethod):
        weights = job.inputs["adaptors"][job.seeds.index(seed)]
        adaptor = load_adaptor(method, weights, encoder.dim, lm.dim)
    return Captioner(encoder, lm, method, adaptor, decoding, seed)


def write_predictions(
    out: Path, predictions: list[dict[str, Any]], encoded: EncodedOnce, prompt: str, job: Job
) -> None:
    """The predictions, and beside them the features of `prompt` + caption."""
    write_json(out, predictions)
    features = encoded.features([prompt + row["caption"] for row in predictions])
    ids = [row["image_id"] for row in predictions]
    write_store(out.with_suffix(".features.safetensors"), {"features": features}, ids, job.cfg["encoder.dtype"])
