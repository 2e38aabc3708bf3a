"""The frozen models of a job, on the device that its settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.job import Job
from .devices import frozen_dtype, pick_device
from .encoder import Encoder, load_encoder

if TYPE_CHECKING:
    from .language_model import LanguageModel


def image_encoder(job: Job) -> Encoder:
    """The job's encoder."""
    return load_encoder(str(job.folder("encoder")), device=str(pick_device(job.settings["gpus"])))


def text_encoder(job: Job) -> Encoder:
    """The job's encoder without its image tower, which saves memory."""
    return image_encoder(job).text_only()


def language_model(job: Job, precision: str | None = None) -> LanguageModel:
    """The job's language model, in the precision of training unless another is named."""
    from .language_model import load_language_model

    device = pick_device(job.settings["gpus"])
    dtype = frozen_dtype(device, precision or job.settings["training.precision"])
    return load_language_model(str(job.folder("language_model")), device, dtype)
