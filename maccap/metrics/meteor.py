"""METEOR's Java process, started once and ended for certain."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from pycocoevalcap.meteor.meteor import Meteor

from ..errors import EnvironmentProblem


@contextlib.contextmanager
def meteor_process() -> Iterator[Meteor]:
    """pycocoevalcap's METEOR scorer for any number of `meteor_scores` calls; its process is gone on leaving.

    Entering returns at once while Java takes several seconds to load its tables: enter early, score late.
    """
    scorer = Meteor()
    try:
        yield scorer
    finally:
        _end(scorer)


def meteor_scores(
    scorer: Meteor, truth: Mapping[int, list[str]], candidates: Mapping[int, list[str]]
) -> tuple[float, list[float]]:
    """METEOR of tokenised captions, as a fraction: of the corpus, and of each item in order.

    Raises EnvironmentProblem, with Java's own last words, when the process fails; it is dead then.
    """
    try:
        corpus, per_item = scorer.compute_score(truth, candidates)
    except (OSError, ValueError) as error:  # a closed pipe, or an empty line where a number should be
        scorer.meteor_p.kill()
        words = scorer.meteor_p.stderr.read().decode(errors="replace").strip()
        raise EnvironmentProblem(
            f"METEOR: its Java process failed ({words[-500:] or error}). "
            "It needs about 2 GB of memory and a Java 8 or newer; free memory or change `java` on PATH, then run again."
        ) from error
    return corpus, per_item


def _end(scorer: Meteor) -> None:
    """End the process and leave nothing on which the scorer's own `__del__` could hang or complain."""
    process = scorer.meteor_p
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):
            pipe.close()
    process.wait()
    if scorer.lock.locked():
        scorer.lock.release()
