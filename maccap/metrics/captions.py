"""BLEU, METEOR, ROUGE-L, CIDEr and, where installed, SPICE: as pycocoevalcap scores, corpus level and per image."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pycocoevalcap.spice
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from ..core.artifacts import atomic
from ..core.errors import DataError, EnvironmentProblem
from .java import ensure_java
from .meteor import meteor_scores
from .overlap import References, Score

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")
SPICE_JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
SENTINEL = "sentinel"
SHOWN_IDS = 5

Id = TypeVar("Id", bound=Hashable)
Scores = dict[str, Score]
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
    """Like `score_sets`, each prediction set with references of its own; one object is prepared once."""
    captions: list[str] = []
    for number, (references, predictions) in enumerate(pairs, start=1):
        check_coverage(references, predictions, f"prediction set {number}")
        captions += chain(predictions.values(), *references.values())
    if not pairs:
        return []
    ensure_java()
    tokens = _tokenise(captions)
    truths = {id(of): [[tokens[text] for text in texts] for texts in of.values()] for of, _ in pairs}
    sets = [(truths[id(of)], [tokens[predictions[id_]] for id_ in of]) for of, predictions in pairs]
    questions = [[(own, *of) for of, own in zip(truth, candidates, strict=True)] for truth, candidates in sets]
    with ThreadPoolExecutor(1) as beside:  # Java works beside the other metrics
        meteor = beside.submit(meteor_scores, questions)
        prepared = {id(truth): References(truth) for truth in truths.values()}
        scores = [_score(prepared[id(truth)], candidates) for truth, candidates in sets]
        for (of_set, rows), (whole, items, counts) in zip(scores, meteor.result(), strict=True):
            of_set["METEOR"], rows["METEOR"] = (whole, items), counts
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


def _tokenise(captions: Iterable[str]) -> dict[str, str]:
    """PTB tokens of each caption, lower case and without punctuation, in one Java call."""
    distinct = list(dict.fromkeys(captions))
    asked = [[{"caption": _one_line(text)}] for text in [*distinct, SENTINEL]]
    try:
        lines: dict[int, list[str]] = PTBTokenizer().tokenize(dict(enumerate(asked)))
    except OSError as error:
        raise EnvironmentProblem(
            f"PTB tokenizer: {error}. It runs `java` and writes a temporary file into pycocoevalcap's own folder: "
            "install the package where you may write, and leave some disk space there."
        ) from error
    if lines.get(len(distinct)) != [SENTINEL]:
        raise EnvironmentProblem(
            "PTB tokenizer: Java did not return one line per caption; its message stands above. "
            "Check that `java -version` works and that about 1 GB of memory is free, then run again."
        )
    return {text: lines[key][0].replace("|||", "| | |") for key, text in enumerate(distinct)}  # METEOR's mark


def _score(references: References, candidates: Sequence[str]) -> tuple[Scores, dict[str, Rows]]:
    """The corpus score and the scores per item, as fractions, of each metric but METEOR; and BLEU's statistics."""
    bleu, rows = references.bleu(candidates)
    scores: Scores = {f"BLEU-{order}": score for order, score in enumerate(bleu, start=1)}
    scores |= {"ROUGE-L": references.rouge(candidates), "CIDEr": references.cider(candidates)}
    if spice_available():
        scores["SPICE"] = _spice(references.captions, candidates)
    return scores, {"BLEU": rows}


def _spice(references: Sequence[Sequence[str]], candidates: Sequence[str]) -> tuple[float, list[float]]:
    """SPICE's F-scores; where it is undefined, as for an empty caption, it counts as 0."""
    from pycocoevalcap.spice.spice import Spice

    try:
        _, items = Spice().compute_score(
            dict(enumerate(map(list, references))), {number: [text] for number, text in enumerate(candidates)}
        )
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
