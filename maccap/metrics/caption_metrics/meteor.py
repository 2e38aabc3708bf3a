"""METEOR 1.5 (Denkowski and Lavie, 2014), computed by its Java program, and its score from summed statistics."""

import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.meteor.meteor import METEOR_JAR

from ...core.allocation import cores
from ...core.errors import EnvironmentProblem, flat
from .. import meteor_tables
from ..meteor_tables import FOLDER, filter_synonyms
from ..registry import CaptionSet, Metric, SetScores

# The task "rank" for English; the stages are exact, stem, synonym, paraphrase.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGE_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
WORDS, FUNCTION_WORDS, STAGES, CHUNKS, WORD_MATCHES = slice(2), slice(2, 4), slice(4, 20), 20, slice(21, 23)

# A short life: no parallel garbage collector, no second compiler, room for short-lived objects.
JAVA = ("java", "-Xmx2G", "-Xmn300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", METEOR_JAR)
PLAIN = re.compile("[a-z0-9 ]*")
PER_PROCESS = 3000  # questions that pay for the start of one more

Question = tuple[str, ...]  # a tokenised candidate and its references


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    """METEOR as pycocoevalcap has it, and the statistics of `meteor_rows`.

    Raises:
        EnvironmentProblem: a Java process failed, with its own last words.
    """
    asked = [
        [(own, *of) for of, own in zip(of_set.references.captions, of_set.captions, strict=True)] for of_set in sets
    ]
    counts, scores = meteor_scores(asked)
    return [
        SetScores.in_percent({"METEOR": (own[-1], own[:-1])}, meteor_rows(lines))
        for lines, own in zip(counts, scores, strict=True)
    ]


def meteor_scores(sets: Sequence[Sequence[Question]]) -> tuple[list[list[str]], list[list[float]]]:
    """For each set, the line of 23 counts of each question; and the fractions of each question and of the whole."""
    questions = list(dict.fromkeys(question for of_set in sets for question in of_set))
    parts = _parts(questions, min(cores(), 1 + len(questions) // PER_PROCESS))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(parts)) as pool:
        table, synonyms = Path(folder) / "paraphrases.gz", Path(folder) / "synonyms"
        _filter_paraphrases_beside({caption for question in questions for caption in question}, table)
        filter_synonyms((caption for question in questions if _is_plain(question) for caption in question), synonyms)
        # Punctuation is separated and dropped only where there is any: that takes as long as all the rest.
        options = [["-a", str(table), *(["-d", str(synonyms)] if _is_plain(part[0]) else ["-norm"])] for part in parts]
        answers = chain.from_iterable(pool.map(ask, map(_lines, parts), options))
        known = dict(zip(chain.from_iterable(parts), answers, strict=True))
        counts = [[known[question] for question in of_set] for of_set in sets]
        scores = map(float, ask([" ||| ".join(("EVAL", *of_set)) for of_set in counts], options[0]))
        return counts, [list(islice(scores, len(of_set) + 1)) for of_set in sets]


def _filter_paraphrases_beside(captions: set[str], out: Path) -> None:
    """`filter_paraphrases` in a process of its own, beside which the other metrics go on.

    Raises:
        EnvironmentProblem: the process failed, with its own last words.
    """
    command = [sys.executable, "-P", meteor_tables.__file__, str(out)]
    run = subprocess.run(command, input=json.dumps(sorted(captions)), capture_output=True, text=True)
    if run.returncode:
        raise EnvironmentProblem(
            f"METEOR: its table of paraphrases cannot be filtered into {out.parent} "
            f"({run.stderr.strip().rpartition(chr(10))[2]}); free memory and disk space there (TMPDIR names another "
            "folder), or install pycocoevalcap again."
        )


def _parts(questions: Sequence[Question], processes: int) -> list[list[Question]]:
    """Parts of equal size, one for each process; those that METEOR must normalise are apart, and may need one more."""
    size = math.ceil(len(questions) / processes)
    kinds = [[question for question in questions if _is_plain(question) is plain] for plain in (True, False)]
    return [kind[start : start + size] for kind in kinds for start in range(0, len(kind), size)]


def _is_plain(question: Question) -> bool:
    """Whether METEOR's normaliser has nothing to do."""
    return all(PLAIN.fullmatch(caption) for caption in question)


def _lines(questions: Sequence[Question]) -> list[str]:
    return [
        " ||| ".join(("SCORE", *references, candidate.replace("|||", "").replace("  ", " ")))
        for candidate, *references in questions
    ]


def ask(lines: Sequence[str], options: Sequence[str]) -> list[str]:
    """What METEOR's Java, with some options, answers to some lines.

    To SCORE with references and a candidate it answers with a line of 23 counts, to EVAL with some such lines with
    the score of each and of all.

    Raises:
        EnvironmentProblem: it failed, with its own last words.
    """
    command, text = [*JAVA, "-", "-", "-stdio", "-l", "en", *options], "".join(f"{line}\n" for line in lines)
    run = subprocess.run(command, cwd=FOLDER, input=text, capture_output=True, encoding="utf-8", errors="replace")
    answers = run.stdout.splitlines()
    if run.returncode or len(answers) < len(lines):
        raise EnvironmentProblem(
            f"METEOR: its Java process failed ({flat(run.stderr)[-500:] or 'it ended'}). "
            "It needs about 2 GB of memory and a Java 8 or newer; free memory or change `java` on PATH, then run again."
        )
    return answers


def meteor_rows(lines: Sequence[str]) -> list[list[int]]:
    """What each caption adds to corpus METEOR: the 23 counts that Java prints, in its order.

    They are the lengths and function words of candidate and best reference; for each stage the matched content
    words of both, then the matched function words of both; chunks; matched words of both. As when Java adds them
    up, the one chunk of a caption that equals its reference counts as none.
    """
    rows = np.array([line.split() for line in lines], dtype=np.float64).astype(np.int64)
    matched = rows[:, STAGES].reshape(-1, 8, 2).sum(axis=1)  # words of candidate and reference
    rows[(matched == rows[:, WORDS]).all(axis=1) & (rows[:, CHUNKS] == 1), CHUNKS] = 0
    return rows.tolist()


def meteor_of_totals(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """METEOR, as a fraction, of summed `meteor_rows`; [..., 23] -> [...]. Without any match it is 0."""
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


METRIC = Metric("METEOR", ("METEOR",), 20, score, of_totals=lambda _, totals: 100 * meteor_of_totals(totals))
