"""BLEU, METEOR, ROUGE-L, CIDEr and, where installed, SPICE: pycocoevalcap's own scorers, corpus level and per image."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pycocoevalcap.spice
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from ..artifacts import atomic
from ..errors import DataError, EnvironmentProblem
from .java import ensure_java
from .meteor import meteor_process, meteor_scores

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")
SPICE_JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
SENTINEL = "sentinel"
SHOWN_IDS = 5

Id = TypeVar("Id", bound=Hashable)
Tokens = dict[int, list[str]]
Scores = dict[str, tuple[float, Sequence[float]]]
Rows = list[list[int]]


@dataclass(frozen=True)
class CaptionScores(Generic[Id]):
    """Scores in percent by metric name: of the whole set, and of each image (BLEU there is sentence BLEU).

    `statistics` holds, for the corpus metrics that are no means over images, what each image adds to them:
    "BLEU" (length of the closest reference, 1- to 4-grams of the candidate, of these the matched ones: 9 integers)
    and "METEOR" (23 integers, see `meteor_rows`).
    """

    corpus: dict[str, float]
    per_item: dict[Id, dict[str, float]]
    statistics: dict[Id, dict[str, list[int]]]


def caption_scores(references: Mapping[Id, Sequence[str]], predictions: Mapping[Id, str]) -> dict[str, float]:
    """Corpus scores in percent: BLEU-1 to BLEU-4, METEOR, ROUGE-L, CIDEr and, if `spice_available()`, SPICE.

    `references` maps each image id to its captions, `predictions` the same ids to one caption each; an empty
    prediction scores 0. Raises DataError when the ids differ, EnvironmentProblem when Java fails.
    """
    return score_sets(references, [predictions])[0].corpus


def score_sets(
    references: Mapping[Id, Sequence[str]], prediction_sets: Sequence[Mapping[Id, str]]
) -> list[CaptionScores[Id]]:
    """Score several prediction sets against the same references, with one start of each Java program for all.

    Each set as in `caption_scores`, with the same errors; the scores come in the order of the sets.
    """
    return score_pairs([(references, predictions) for predictions in prediction_sets])


def score_pairs(
    pairs: Sequence[tuple[Mapping[Id, Sequence[str]], Mapping[Id, str]]],
) -> list[CaptionScores[Id]]:
    """Like `score_sets`, each prediction set with references of its own; equal objects are tokenised once."""
    for number, (references, predictions) in enumerate(pairs, start=1):
        check_coverage(references, predictions, f"prediction set {number}")
    if not pairs:
        return []
    ensure_java()
    distinct = {id(references): references for references, _ in pairs}
    groups: list[list[Sequence[str]]] = [list(references.values()) for references in distinct.values()]
    groups += [[[predictions[id_]] for id_ in references] for references, predictions in pairs]
    with meteor_process() as meteor, ThreadPoolExecutor(1) as beside:  # Java loads and scores beside the other metrics
        tokens = _tokenise(groups)
        truths = dict(zip(distinct, tokens, strict=False))
        scored = [(truths[id(r)], c) for (r, _), c in zip(pairs, tokens[len(distinct) :], strict=True)]
        waiting = [beside.submit(meteor_scores, meteor, truth, candidates) for truth, candidates in scored]
        scores = [_score(truth, candidates) for truth, candidates in scored]
        for (of_set, rows), future in zip(scores, waiting, strict=True):
            corpus, per_item, rows["METEOR"] = future.result()
            of_set["METEOR"] = corpus, per_item
    return [_in_percent(list(references), *of_set) for (references, _), of_set in zip(pairs, scores, strict=True)]


def check_coverage(references: Mapping[Id, Sequence[str]], predictions: Mapping[Id, str], source: str) -> None:
    """Raise DataError unless every image has references and exactly one prediction, naming `source` (a file)."""
    bare = [
        id_ for id_, captions in references.items() if isinstance(captions, str) or not any(map(str.strip, captions))
    ]
    if bare or not references:
        raise DataError(
            f"{source}: {_some(bare, 'image') if bare else 'all images'} without a list of reference captions. "
            "Complete the caption file that it is scored against, or leave these images out of both."
        )
    unknown = [id_ for id_ in predictions if id_ not in references]
    missing = [id_ for id_ in references if id_ not in predictions]
    faults = [_some(unknown, "prediction") + " for an unknown image"] if unknown else []
    faults += ["no prediction for " + _some(missing, "image")] if missing else []
    if faults:
        raise DataError(
            f"{source}: {'; '.join(faults)}; {len(references)} images have references. Score it against the split "
            "that it was made for, or predict that split again (ids are compared with their type: 1 is not '1')."
        )
    wrong = [id_ for id_, caption in predictions.items() if not isinstance(caption, str)]
    if wrong:
        raise DataError(f"{source}: {_some(wrong, 'prediction')} that is not text. Give one string per image.")


def spice_available() -> bool:
    """Whether SPICE's Stanford CoreNLP jars lie beside it; nothing here ever downloads them."""
    return all((_spice_folder() / name).is_file() for name in SPICE_JARS)


def supply_spice(jars: Sequence[Path]) -> None:
    """Copy Stanford CoreNLP's jars to where SPICE looks for them, beside itself, unless they lie there."""
    for jar in jars:
        place = _spice_folder() / jar.name
        if not (place.is_file() and place.stat().st_size == jar.stat().st_size):
            with atomic(place) as part:
                shutil.copyfile(jar, part)


def _spice_folder() -> Path:
    return Path(pycocoevalcap.spice.__file__).parent / "lib"


def _some(ids: Sequence[Hashable], noun: str) -> str:
    shown = ", ".join(repr(id_) for id_ in ids[:SHOWN_IDS]) + (", ..." if len(ids) > SHOWN_IDS else "")
    return f"{len(ids)} {noun}{'' if len(ids) == 1 else 's'} ({shown})"


def _one_line(caption: str) -> str:
    """The caption without what Java would take for a line break, or what UTF-8 cannot hold."""
    return " ".join(caption.encode("utf-8", "replace").decode().split())


def _tokenise(groups: Sequence[Sequence[Sequence[str]]]) -> list[Tokens]:
    """PTB tokens, lower case and without punctuation, of groups of lists of captions, in one Java call."""
    captions = [[{"caption": _one_line(text)} for text in item] for group in groups for item in group]
    captions.append([{"caption": SENTINEL}])
    try:
        lines: Tokens = PTBTokenizer().tokenize(dict(enumerate(captions)))
    except OSError as error:
        raise EnvironmentProblem(
            f"PTB tokenizer: {error}. It runs `java` and writes a temporary file into pycocoevalcap's own folder: "
            "install the package where you may write, and leave some disk space there."
        ) from error
    if lines.get(len(captions) - 1) != [SENTINEL]:
        raise EnvironmentProblem(
            "PTB tokenizer: Java did not return one line per caption; its message stands above. "
            "Check that `java -version` works and that about 1 GB of memory is free, then run again."
        )
    safe = ([line.replace("|||", "| | |") for line in lines[key]] for key in range(len(captions) - 1))  # METEOR's mark
    return [{position: next(safe) for position in range(len(group))} for group in groups]


def _score(truth: Tokens, candidates: Tokens) -> tuple[Scores, dict[str, Rows]]:
    """The corpus score and the scores per item, as fractions, of each metric but METEOR; and BLEU's statistics."""
    bleu = BleuScorer(n=4)
    for position, references in truth.items():
        bleu += (candidates[position][0], references)
    corpus, per_item = bleu.compute_score(option="closest")
    scores: Scores = {f"BLEU-{n + 1}": (corpus[n], per_item[n]) for n in range(4)}
    scores["ROUGE-L"] = Rouge().compute_score(truth, candidates)
    scores["CIDEr"] = Cider().compute_score(truth, candidates)
    if spice_available():
        scores["SPICE"] = _spice(truth, candidates)
    return scores, {"BLEU": [_bleu_row(counts) for counts in bleu.ctest]}


def _bleu_row(counts: Mapping[str, Any]) -> list[int]:
    length = counts["testlen"]
    closest = min(counts["reflen"], key=lambda reference: (abs(reference - length), reference))
    return [closest, *counts["guess"], *counts["correct"]]


def _spice(truth: Tokens, candidates: Tokens) -> tuple[float, list[float]]:
    """SPICE's F-scores; where it is undefined, as for an empty caption, it counts as 0."""
    from pycocoevalcap.spice.spice import Spice

    try:
        _, items = Spice().compute_score(truth, candidates)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EnvironmentProblem(
            f"SPICE: {error}. It needs Java 8 or 11, 8 GB of memory and a writable pycocoevalcap folder; put such "
            f"a Java first on PATH, or remove {SPICE_JARS[0]} from that folder to score without SPICE."
        ) from error
    per_item = [float(np.nan_to_num(item["All"]["f"])) for item in items]
    return float(np.mean(per_item)), per_item


def _in_percent(ids: Sequence[Id], scores: Scores, rows: dict[str, Rows]) -> CaptionScores[Id]:
    scores = {name: scores[name] for name in METRICS if name in scores}
    corpus = {name: 100 * float(whole) for name, (whole, _) in scores.items()}
    per_item = {
        id_: {name: 100 * float(items[position]) for name, (_, items) in scores.items()}
        for position, id_ in enumerate(ids)
    }
    statistics = {id_: {name: of_set[i] for name, of_set in rows.items()} for i, id_ in enumerate(ids)}
    return CaptionScores(corpus, per_item, statistics)
