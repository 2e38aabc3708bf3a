"""Caption metrics by name. A metric is one file of `caption_metrics/` with a constant METRIC.

Scoring, the bootstrap and the tables take the metrics from here, in the order of `Metric.place`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..data.scenes import Contents

FOLDER = Path(__file__).parent / "caption_metrics"

Array = NDArray[np.float64]
Score = tuple[float, list[float]]  # of the whole set, and of each image


@dataclass(frozen=True, eq=False)
class References:
    """Of each image, in order, its tokenised captions, whose words are apart by one space; sets may share them."""

    captions: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Cosines:
    """Of CLIP's features of each caption, in the order of the images: to its image, and to its nearest reference."""

    images: Array
    references: Array


@dataclass(frozen=True)
class CaptionSet:
    """What one set of captions is scored by: references and N tokenised captions; CLIP's cosines, and the ids of the
    images with what is in them, where there are any.
    """

    references: References
    captions: Sequence[str]
    cosines: Cosines | None = None
    contents: Contents | None = None
    images: Sequence[Hashable] = ()


@dataclass(frozen=True)
class SetScores:
    """What a metric says of one set.

    Attributes:
        scores: by name, as tables print them.
        statistics: for each image what it adds to the metric, summed up by `Metric.of_totals`; None for a mean.
    """

    scores: dict[str, Score]
    statistics: list[list[int]] | None = None

    @classmethod
    def in_percent(cls, scores: dict[str, Score], statistics: list[list[int]] | None = None) -> SetScores:
        """Scores that are fractions, such as pycocoevalcap's."""
        percent = {name: (100 * whole, [100 * item for item in items]) for name, (whole, items) in scores.items()}
        return cls(percent, statistics)


@dataclass(frozen=True)
class Metric:
    """A caption metric, or several that are computed together.

    Attributes:
        family: what they have in common, such as BLEU; the column of their statistics.
        names: of the metrics, which are columns of metric files and tables.
        place: the lower, the further left in tables.
        score: all sets at once, so that a program is started once.
        of_totals: the metric of a name from summed statistics [..., k] -> [...]; None where the metric is the mean
            over images.
        available: whether it can be computed here; where not, its cells are empty.
        absent: the note below a table whose cells are empty.
        needs_cosines: whether it is computed from `CaptionSet.cosines`.
        higher_is_better: which way is good; told below tables where it is not.
    """

    family: str
    names: tuple[str, ...]
    place: int
    score: Callable[[Sequence[CaptionSet]], list[SetScores]]
    of_totals: Callable[[str, Array], Array] | None = None
    available: Callable[[], bool] = lambda: True
    absent: str = ""
    needs_cosines: bool = False
    higher_is_better: bool = True


@cache
def metrics() -> tuple[Metric, ...]:
    """All caption metrics in the order of tables."""
    names = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
    found = [import_module(f".{FOLDER.name}.{name}", __package__).METRIC for name in names]
    return tuple(sorted(found, key=lambda metric: (metric.place, metric.names)))


def metric_names() -> list[str]:
    """The names of all caption metrics in the order of tables."""
    return [name for metric in metrics() for name in metric.names]


def metric_named(name: str) -> Metric:
    """The metric that has a name.

    Raises:
        DataError: there is no such caption metric.
    """
    for metric in metrics():
        if name in metric.names:
            return metric
    raise DataError(f"there is no caption metric {name!r}; known: {', '.join(metric_names())}")
