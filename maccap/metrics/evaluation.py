"""Predictions of one test set with all that their metrics are computed from, and the rows of a metric file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.captions import read_captions, references
from ..data.predictions import read_predictions
from ..data.scenes import Contents, read_contents
from .captions import check_coverage, score_pairs
from .registry import Cosines

IDENTITY = ["trained", "experiment", "tested", "seed"]


@dataclass(frozen=True)
class TestSet:
    """What predictions are scored against: the captions of each image, by its id, and what is in it if it is known."""

    references: dict[int, list[str]]
    contents: Contents | None = None

    @classmethod
    def read(cls, captions: Path, scenes: Sequence[Path] = ()) -> TestSet:
        """Read captions and a file of drawn scenes, where there is one."""
        return cls(references(read_captions(captions)), read_contents(scenes[0]) if scenes else None)


@dataclass(frozen=True)
class Evaluation:
    """The captions of one experiment and seed: a row of `predictions` for each image."""

    about: dict[str, Any]
    predictions: pd.DataFrame
    test: TestSet

    @property
    def captions(self) -> dict[int, str]:
        return dict(zip(self.predictions.image_id.tolist(), self.predictions.caption.tolist(), strict=True))

    @property
    def left_out(self) -> dict[int, int]:
        """{image id: the number of the reference that is the caption itself}."""
        rows = self.predictions.dropna(subset="left_out_reference")
        return dict(zip(rows.image_id.tolist(), rows.left_out_reference.tolist(), strict=True))

    @property
    def references(self) -> Mapping[int, list[str]]:
        """What to score against: published predictions may leave images out, a human's caption is no reference.

        So an image with a single caption has no reference left, and is left out, too.
        """
        if self.predictions.published.any():
            return {image_id: self.test.references[image_id] for image_id in self.captions}
        left_out = self.left_out
        if not left_out:
            return self.test.references
        return {
            image_id: [text for number, text in enumerate(texts) if number != left_out.get(image_id)]
            for image_id, texts in self.test.references.items()
            if len(texts) > 1
        }

    @property
    def cosines(self) -> Cosines:
        """In the order of `references`."""
        rows = self.predictions.set_index("image_id").loc[list(self.references)]
        return Cosines(rows.image_cosine.to_numpy("float64"), rows.reference_cosine.to_numpy("float64"))


def evaluations(tables: Sequence[Path], tested: str, test: TestSet) -> list[Evaluation]:
    """What the predictions of some files say of one test set, apart by experiment and seed, in the order of the files.

    Raises:
        DataError: predictions and references are not of the same images.
    """
    predictions = read_predictions(tables)
    found = []
    groups: Any = predictions[predictions.tested == tested].groupby(IDENTITY, sort=False, dropna=False)
    for about, rows in groups:
        identity = dict(zip(IDENTITY, about, strict=True))
        identity["seed"] = None if identity["seed"] is pd.NA else int(identity["seed"])
        evaluation = Evaluation(identity, rows, test)
        place = f"predictions of {identity['experiment']} on {tested}, seed {identity['seed']}"
        check_coverage(evaluation.references, evaluation.captions, place)
        found.append(evaluation)
    return found


def metric_rows(evaluations: Sequence[Evaluation]) -> Iterator[dict[str, Any]]:
    """The rows of a metric file: of each evaluation one row for the corpus, then one for each image.

    Java programs are started once for all evaluations.
    """
    pairs = [(evaluation.references, evaluation.captions) for evaluation in evaluations]
    contents = [evaluation.test.contents for evaluation in evaluations]
    scored = score_pairs(pairs, [evaluation.cosines for evaluation in evaluations], contents)
    for evaluation, scores in zip(evaluations, scored, strict=True):
        counts = {"images": len(scores.per_item), "of": len(evaluation.test.references)}
        yield evaluation.about | {"image_id": None} | counts | scores.corpus
        for image_id in evaluation.captions:
            values = {name: round(value, 4) for name, value in scores.per_item[image_id].items()}
            statistics = {f"{name} statistics": value for name, value in scores.statistics[image_id].items()}
            yield evaluation.about | {"image_id": image_id} | values | statistics
