"""What jobs that make captions share: a run's captioner, what captions are compared with, how they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from ..core.job import Job
from ..core.settings import GenerationSettings, SelectionSettings, settings
from ..data.captions import Caption, read_captions, rows_by_image
from ..data.features import features_of, read_global_features
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


@dataclass(frozen=True)
class EncodedTestSet:
    """What CLIP made of a test set.

    Attributes:
        images: the global feature [d] of each image, by its id.
        captions: its references; none where it has questions alone.
        features: of these captions, [N, d].
    """

    images: dict[int, torch.Tensor]
    captions: list[Caption]
    features: torch.Tensor

    @classmethod
    def of_job(cls, job: Job, tested: str, shards: Sequence[Path]) -> EncodedTestSet:
        """A test set of a job whose setting `captioned` names those that have captions; the shards are of images."""
        images, captioned = read_global_features(shards), job.settings["captioned"]
        if tested not in captioned:
            return cls(images, [], torch.empty(0))
        captions, store = (job.inputs[name][captioned.index(tested)] for name in ("captions", "caption_features"))
        rows = read_captions(captions)
        return cls(images, rows, features_of([store], "test", [row.caption_id for row in rows]))

    @cached_property
    def _references(self) -> tuple[torch.Tensor, dict[int, list[int]]]:
        """The captions' features of length 1, and which rows are an image's; the same for all experiments and seeds."""
        return _unit(self.features), rows_by_image(self.captions)

    def with_cosines(self, rows: Iterable[dict[str, Any]], features: torch.Tensor) -> list[dict[str, Any]]:
        """Predictions with the cosines of their captions' features [N, d] to image and nearest reference.

        The reference whose number is `left_out_reference` is the caption itself, and none.
        """
        known, own = self._references
        found = []
        for row, feature in zip(rows, _unit(features), strict=True):
            cosines = {"image_cosine": feature @ _unit(self.images[row["image_id"]])}
            numbers = [n for i, n in enumerate(own.get(row["image_id"], [])) if i != row.get("left_out_reference")]
            if numbers:
                cosines["reference_cosine"] = (known[numbers] @ feature).max()
            found.append(row | {name: round(float(cosine), 7) for name, cosine in cosines.items()})
        return found


def _unit(features: torch.Tensor) -> torch.Tensor:
    return F.normalize(features.double(), dim=-1)


class Predictions:
    """The predictions of one job as they are made."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(
        self, about: dict[str, Any], rows: Sequence[dict[str, Any]], features: torch.Tensor, test: EncodedTestSet
    ) -> None:
        """Add rows that are all about the same data, with the text features of their captions, row by row.

        A single candidate is the caption, and is left out.

        Args:
            about: has trained, experiment, tested and seed.
        """
        for row in test.with_cosines(rows, features):
            if len(row.get("candidates", ())) == 1:
                row = {name: value for name, value in row.items() if name not in ("candidates", "scores")}
            self.rows.append(about | row)

    def write(self, job: Job) -> None:
        write_predictions(job.outputs[0], self.rows)
