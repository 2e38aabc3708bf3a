"""What jobs that make captions or answers share: a run's captioner, and how predictions are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..core.job import Job
from ..core.settings import GenerationSettings, SelectionSettings, settings
from ..data.features import write_store
from ..data.predictions import write_predictions
from ..methods.base import CaptioningMethod, TrainedMethod
from ..models.encoder import Encoder
from ..models.language_model import LanguageModel
from .captioning import Captioner, load_adaptor


def decoding_settings(job: Job, experiment: str) -> tuple[GenerationSettings, SelectionSettings]:
    """The profile's settings, overridden by the experiment's."""
    own = f"experiments.{experiment}"
    return (
        settings(GenerationSettings, job.settings, "generation", f"{own}.generation"),
        settings(SelectionSettings, job.settings, "selection", f"{own}.selection"),
    )


def run_captioner(
    job: Job,
    encoder: Encoder,
    lm: LanguageModel,
    method: CaptioningMethod,
    generation: GenerationSettings,
    draws: int,
    seed: int,
) -> Captioner:
    """The captioner of one seed of the job's run.

    Args:
        method: that of the run, the same for all seeds: its memory may be large.
    """
    adaptor = None
    if isinstance(method, TrainedMethod):
        weights = job.inputs["adaptors"][job.seeds.index(seed)]
        adaptor = load_adaptor(method, weights, encoder.dim, lm.dim)
    return Captioner(encoder, lm, method, adaptor, generation, draws, seed)


class Predictions:
    """The predictions of one job as they are made, with the text features of the captions, row by row."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.features: list[torch.Tensor] = []

    def add(self, about: dict[str, Any], rows: Sequence[dict[str, Any]], features: torch.Tensor) -> None:
        """Add rows that are all about the same data: `about` has trained, experiment, tested and seed."""
        self.rows += [about | row for row in rows]
        self.features.append(features)

    def write(self, job: Job) -> None:
        """Write the job's two outputs: the JSON Lines, and the feature store, whose ids are the images'."""
        table, store = job.outputs
        write_predictions(table, self.rows)
        ids = [row["image_id"] for row in self.rows]
        write_store(store, {"features": torch.cat(self.features)}, {"ids": ids}, job.settings["encoder.dtype"])
