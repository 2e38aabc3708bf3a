"""SPICE (Anderson et al., 2016), where Stanford CoreNLP lies beside it; nothing here ever downloads that."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycocoevalcap.spice

from ...core.artifacts import atomic
from ...core.errors import EnvironmentProblem
from ..registry import CaptionSet, Metric, SetScores

JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def spice_available() -> bool:
    """Whether SPICE's Stanford CoreNLP jars lie beside it."""
    return all((_folder() / name).is_file() for name in JARS)


def supply_spice(jars: Sequence[Path]) -> None:
    """Copy Stanford CoreNLP's jars to where SPICE looks for them, beside itself, unless they lie there."""
    for jar in jars:
        place = _folder() / jar.name
        if not (place.is_file() and place.stat().st_size == jar.stat().st_size):
            with atomic(place) as part:
                shutil.copyfile(jar, part)


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    """SPICE's F-scores; where it is undefined, as for an empty caption, it counts as 0.

    Raises:
        EnvironmentProblem: its Java program failed.
    """
    from pycocoevalcap.spice.spice import Spice

    found = []
    for of_set in sets:
        references = dict(enumerate(map(list, of_set.references.captions)))
        try:
            _, items = Spice().compute_score(references, {i: [text] for i, text in enumerate(of_set.captions)})
        except (OSError, subprocess.CalledProcessError) as error:
            raise EnvironmentProblem(
                f"SPICE: {error}. It needs Java 8 or 11, 8 GB of memory and a writable pycocoevalcap folder; put such "
                f"a Java first on PATH, or remove {JARS[0]} from that folder to score without SPICE."
            ) from error
        per_item = [100 * float(np.nan_to_num(item["All"]["f"])) for item in items]
        found.append(SetScores({"SPICE": (float(np.mean(per_item)), per_item)}))
    return found


def _folder() -> Path:
    return Path(pycocoevalcap.spice.__file__).parent / "lib"


METRIC = Metric(
    "SPICE", ("SPICE",), 50, score, available=spice_available,
    absent="SPICE needs Stanford CoreNLP 3.6.0, which was not supplied everywhere.",
)  # fmt: skip
