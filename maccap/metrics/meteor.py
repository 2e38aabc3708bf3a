"""METEOR: its Java process, started once and ended for certain, and its score from added-up statistics."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.meteor.meteor import Meteor

from ..errors import EnvironmentProblem

# METEOR 1.5 for English, task "rank" (Denkowski and Lavie, 2014); the stages are exact, stem, synonym, paraphrase.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGE_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
WORDS, FUNCTION_WORDS, STAGES, CHUNKS, WORD_MATCHES = slice(2), slice(2, 4), slice(4, 20), 20, slice(21, 23)


class RecordingMeteor(Meteor):
    """pycocoevalcap's scorer; `lines` collects what its Java says of each caption, asked once."""

    lines: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[str, ...], str] = {}

    def _stat(self, hypothesis_str: str, reference_list: list[str]) -> str:
        asked = (hypothesis_str, *reference_list)
        if asked not in self.known:
            self.known[asked] = super()._stat(hypothesis_str, reference_list)
        self.lines.append(self.known[asked])
        return self.known[asked]


@contextlib.contextmanager
def meteor_process() -> Iterator[RecordingMeteor]:
    """The METEOR scorer for any number of `meteor_scores` calls; its process is gone on leaving.

    Entering returns at once while Java takes several seconds to load its tables: enter early, score late.
    """
    scorer = RecordingMeteor()
    try:
        yield scorer
    finally:
        _end(scorer)


def meteor_scores(
    scorer: RecordingMeteor, truth: Mapping[int, list[str]], candidates: Mapping[int, list[str]]
) -> tuple[float, list[float], list[list[int]]]:
    """METEOR of tokenised captions, as a fraction: of the corpus, and of each item in order; and `meteor_rows`.

    Raises EnvironmentProblem, with Java's own last words, when the process fails; it is dead then.
    """
    scorer.lines = []
    try:
        corpus, per_item = scorer.compute_score(truth, candidates)
    except (OSError, ValueError) as error:  # a closed pipe, or an empty line where a number should be
        scorer.meteor_p.kill()
        words = scorer.meteor_p.stderr.read().decode(errors="replace").strip()
        raise EnvironmentProblem(
            f"METEOR: its Java process failed ({words[-500:] or error}). "
            "It needs about 2 GB of memory and a Java 8 or newer; free memory or change `java` on PATH, then run again."
        ) from error
    return corpus, per_item, meteor_rows(scorer.lines)


def meteor_rows(lines: Sequence[str]) -> list[list[int]]:
    """What each caption adds to corpus METEOR: the 23 counts that Java prints, in its order.

    They are the lengths and function words of candidate and best reference; for each stage the matched content
    words of both, then the matched function words of both; chunks; matched words of both. As when Java adds them
    up, the one chunk of a caption that equals its reference counts as none.
    """
    rows = np.array([line.split() for line in lines], dtype=np.float64).astype(np.int64)
    matched = rows[:, STAGES].reshape(-1, 8, 2).sum(axis=1)  # words of candidate and reference
    rows[(matched == rows[:, WORDS]).all(axis=1) & (rows[:, CHUNKS] == 1), CHUNKS] = 0
    return [[int(count) for count in row] for row in rows]


def meteor_of_totals(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """METEOR 1.5, as a fraction, of summed `meteor_rows`; [..., 23] -> [...]. Without any match it is 0."""
    words, function_words = totals[..., WORDS], totals[..., FUNCTION_WORDS]
    length = DELTA * (words - function_words) + (1 - DELTA) * function_words
    stages = totals[..., STAGES].reshape(*totals.shape[:-1], 4, 2, 2)  # stage; content or function; of both
    matches = np.einsum("...skb,s,k->...b", stages, STAGE_WEIGHTS, [DELTA, 1 - DELTA])
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = np.moveaxis(matches / length, -1, 0)
        mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
        fragmentation = totals[..., CHUNKS] / totals[..., WORD_MATCHES].mean(axis=-1)
        score: NDArray[np.float64] = np.nan_to_num(mean * (1 - GAMMA * fragmentation**BETA))
    return np.maximum(score, 0)


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
