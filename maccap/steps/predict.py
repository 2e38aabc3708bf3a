"""A trained run (or, without one, a reference caption) -> predictions of one test set, two files per seed.

`s<seed>.json` is in the COCO results format with candidates and scores beside; the captions' text features, which
CLIPScore needs, are in `s<seed>.features.safetensors`.
"""

from typing import Any

from ..artifacts import write_json
from ..captioning import Captioner, load_adaptor
from ..config import DecodingSettings, TrainingSettings, settings
from ..datasets.captions import read_captions, references
from ..encoder import Encoder, load_encoder
from ..features import ImageFeatures, read_image_features, read_store, write_store
from ..language_model import LanguageModel, load_language_model
from ..methods import load_method
from . import Job


def run(job: Job) -> None:
    experiment = job.outputs[0].parent.parent.name
    decoding = settings(DecodingSettings, job.cfg, "decoding", f"experiments.{experiment}.decoding")
    encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
    images = read_image_features(job.input("images"))
    run_name = job.cfg.get(f"experiments.{experiment}.run")
    lm = load_language_model(job.cfg["language_model.name"]) if run_name else None
    for index in range(len(job.seeds)):
        if run_name and lm:
            captioner = trained_captioner(job, run_name, encoder, lm, images, decoding, index)
            predictions = captioner.caption(images)
        else:
            predictions = human_captions(job, index)
        write_json(job.outputs[2 * index], predictions)
        features = encoder.text_features([decoding.clipscore_prompt + row["caption"] for row in predictions])
        ids = [row["image_id"] for row in predictions]
        write_store(job.outputs[2 * index + 1], {"features": features}, ids, job.cfg["encoder.dtype"])


def trained_captioner(
    job: Job,
    run_name: str,
    encoder: Encoder,
    lm: LanguageModel,
    images: ImageFeatures,
    decoding: DecodingSettings,
    index: int,
) -> Captioner:
    """The captioner of a run's seed number `index`; the job's inputs name its adaptors and its memory."""
    training = settings(TrainingSettings, job.cfg, "training", f"runs.{run_name}.training")
    method = load_method(job.cfg[f"runs.{run_name}.method"], training)
    adaptor = load_adaptor(method, job.inputs["adaptors"][index], images.global_.shape[1], lm.dim)
    memory = read_store(job.input("memory"))["features"]
    return Captioner(encoder, lm, method, adaptor, memory, decoding, job.seeds[index])


def human_captions(job: Job, index: int) -> list[dict[str, Any]]:
    """Reference `index` of each image as its prediction; evaluation leaves it out of the references."""
    texts = references(read_captions(job.input("captions"), split="test"))
    return [
        {"image_id": image_id, "caption": of_image[index % len(of_image)], "left_out_reference": index % len(of_image)}
        for image_id, of_image in texts.items()
    ]
