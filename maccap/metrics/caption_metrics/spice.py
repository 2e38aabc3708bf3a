"""SPICE (Anderson et al., 2016), where Stanford CoreNLP lies beside it; nothing here ever downloads that."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...core.artifacts import atomic
from ...core.errors import EnvironmentProblem
from ..java import JARS, spice_available, spice_folder
from ..registry import CaptionSet, Metric, SetScores


def supply_spice(jars: Sequence[Path]) -> None:
    """Copy Stanford CoreNLP's jars to where SPICE looks for them, beside itself, unless they lie there."""
    for jar in jars:
        place = spice_folder() / jar.name
        if not (place.is_file() and place.stat().st_size == jar.stat().st_size):
            with atomic(place) as part:
                shutil.copyfile(jar, part)


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    """SPICE's F-scores; where it is undefined, as for an empty caption, it counts as 0.

    Raises:
        EnvironmentProblem: its Java program failed.
    """
    from pycocoevalcap.spice import spice

    found = []
    with TemporaryDirectory() as folder:
        spice.TEMP_DIR = spice.CACHE_DIR = folder  # in place of folders in the environment, which may be another user's
        for of_set in sets:
            references = dict(enumerate(map(list, of_set.references.captions)))
            try:
                _, items = spice.Spice().compute_score(references, {i: [t] for i, t in enumerate(of_set.captions)})
            except (OSError, subprocess.CalledProcessError) as error:
                raise EnvironmentProblem(
                    f"SPICE: {error}. It needs Java 8 or 11 and 8 GB of memory; put such a Java first on PATH, or "
                    f"remove {spice_folder() / JARS[0]} to score without SPICE."
                ) from error
            per_item = [100 * float(np.nan_to_num(item["All"]["f"])) for item in items]
            found.append(SetScores({"SPICE": (float(np.mean(per_item)), per_item)}))
    return found


METRIC = Metric(
    "SPICE", ("SPICE",), 50, score, available=spice_available,
    absent="SPICE needs Stanford CoreNLP 3.6.0, which was not supplied everywhere.",
)  # fmt: skip
