"""METEOR: asked of its Java processes, once for each question, and its score from added-up statistics."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.meteor import meteor as wrapper

from ..core.errors import EnvironmentProblem
from . import paraphrases
from .synonyms import filter_synonyms

# METEOR 1.5 for English, task "rank" (Denkowski and Lavie, 2014); the stages are exact, stem, synonym, paraphrase.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGE_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
WORDS, FUNCTION_WORDS, STAGES, CHUNKS, WORD_MATCHES = slice(2), slice(2, 4), slice(4, 20), 20, slice(21, 23)

FOLDER = Path(wrapper.__file__).parent
# A short life: no parallel garbage collector, no second compiler, room for short-lived objects.
JAVA = ("java", "-Xmx2G", "-Xmn300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", wrapper.METEOR_JAR)
PLAIN = re.compile("[a-z0-9 ]*")
AT_ONCE = 100  # questions; their answers fit into a pipe, so that neither side waits for the other to read
PER_PROCESS = 3000  # questions that pay for the start of one more

Question = tuple[str, ...]  # a tokenised candidate and its references
MeteorScores = tuple[float, list[float], list[list[int]]]


def meteor_scores(sets: Sequence[Sequence[Question]]) -> list[MeteorScores]:
    """METEOR of each set, as a fraction: of the set and of each question, as pycocoevalcap has it, and `meteor_rows`.

    Raises:
        EnvironmentProblem: a Java process failed, with its own last words.
    """
    questions = list(dict.fromkeys(question for of_set in sets for question in of_set))
    parts = _parts(questions, min(os.cpu_count() or 1, 1 + len(questions) // PER_PROCESS))
    questions = [question for part in parts for question in part]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        table, synonyms = Path(folder) / "paraphrases.gz", Path(folder) / "synonyms"
        write_paraphrases(questions, table)
        plain = (caption for question in questions if _is_plain(question) for caption in question)
        filter_synonyms(FOLDER / wrapper.METEOR_JAR, plain, synonyms)
        options = ["-", "-", "-stdio", "-l", "en", "-a", str(table)]
        # Punctuation is separated and dropped only where there is any: that takes as long as all the rest.
        commands = [[*options, *(["-d", str(synonyms)] if _is_plain(part[0]) else ["-norm"])] for part in parts]
        processes = [stack.enter_context(meteor_process(of_part)) for of_part in commands]
        with ThreadPoolExecutor(len(parts)) as pool:
            answers = chain.from_iterable(pool.map(_answers, processes, parts))
        known = dict(zip(questions, answers, strict=True))
        return [_evaluate(processes[0], [known[question] for question in of_set]) for of_set in sets]


def _parts(questions: Sequence[Question], processes: int) -> list[list[Question]]:
    """Parts of equal size, one for each process; those that METEOR must normalise are apart, and may need one more."""
    size = math.ceil(len(questions) / processes)
    kinds = [[question for question in questions if _is_plain(question) is plain] for plain in (True, False)]
    return [kind[start : start + size] for kind in kinds for start in range(0, len(kind), size)]


def write_paraphrases(questions: Sequence[Question], out: Path) -> None:
    """Write the part of METEOR's table that these questions need, in a process beside this one.

    Raises:
        EnvironmentProblem: the process failed, with its own last words.
    """
    references = {caption for _, *own in questions for caption in own}
    texts = {"candidates": sorted({candidate for candidate, *_ in questions}), "references": sorted(references)}
    command = [sys.executable, "-P", paraphrases.__file__, str(FOLDER / "data/paraphrase-en.gz"), str(out)]
    run = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=False)
    if run.returncode:
        raise EnvironmentProblem(
            f"METEOR: its table of paraphrases cannot be filtered ({run.stderr.strip()[-500:]}); free memory and disk "
            "space, or install pycocoevalcap again."
        )


def _is_plain(question: Question) -> bool:
    """Whether METEOR's normaliser has nothing to do."""
    return all(PLAIN.fullmatch(caption) for caption in question)


@contextlib.contextmanager
def meteor_process(options: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """METEOR's Java with some options, reading lines; it is gone on leaving."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*JAVA, *options], cwd=FOLDER, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()
            with contextlib.suppress(OSError):  # what a dead process did not read
                _pipes(process)[0].close()


def _answers(process: subprocess.Popen[bytes], questions: Sequence[Question]) -> list[str]:
    """What METEOR says of each question: 23 counts."""
    answers = []
    for start in range(0, len(questions), AT_ONCE):
        asked = [
            " ||| ".join(("SCORE", *references, candidate.replace("|||", "").replace("  ", " ")))
            for candidate, *references in questions[start : start + AT_ONCE]
        ]
        answers += _ask(process, asked, len(asked))
    return answers


def _evaluate(process: subprocess.Popen[bytes], lines: Sequence[str]) -> MeteorScores:
    """Scores of counts: METEOR answers with one line for each, and one for all."""
    *scores, corpus = map(float, _ask(process, [" ||| ".join(("EVAL", *lines))], len(lines) + 1))
    return corpus, scores, meteor_rows(lines)


def _ask(process: subprocess.Popen[bytes], lines: Sequence[str], count: int) -> list[str]:
    """Write lines and read `count` lines; those of a dead process are empty."""
    stdin, stdout, stderr = _pipes(process)
    try:
        stdin.write("".join(f"{line}\n" for line in lines).encode())
        stdin.flush()
        answers = [stdout.readline().decode().strip() for _ in range(count)]
        fault = "" if all(answers) else "it ended"
    except OSError as error:
        fault = str(error)
    if fault:
        process.kill()
        words = stderr.read().decode(errors="replace").strip()
        raise EnvironmentProblem(
            f"METEOR: its Java process failed ({words[-500:] or fault}). "
            "It needs about 2 GB of memory and a Java 8 or newer; free memory or change `java` on PATH, then run again."
        )
    return answers


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    return process.stdin, process.stdout, process.stderr  # type: ignore[return-value]


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
