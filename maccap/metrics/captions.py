"""Captions scored by every metric of the registry, of the whole set and of each image; tokens are pycocoevalcap's."""

import subprocess
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

from pycocoevalcap.tokenizer import ptbtokenizer

from ..core.errors import DataError, EnvironmentProblem, flat
from ..data.scenes import Contents
from .java import ensure_java, undisturbed_java
from .registry import CaptionSet, Cosines, References, SetScores, metrics

SENTINEL = "sentinel"
SHOWN_IDS = 5

Id = TypeVar("Id", bound=Hashable)


@dataclass(frozen=True)
class CaptionScores(Generic[Id]):
    """Scores in percent by metric name: of the whole set, and of each image (BLEU there is sentence BLEU).

    `statistics` holds, for the corpus metrics that are no means over images, what each image adds to them, integers:
    "BLEU" (9: length of the closest reference, 1- to 4-grams of the candidate, of these the matched ones), "METEOR"
    (23, see `meteor_rows`) and "faithfulness" (5).
    """

    corpus: dict[str, float]
    per_item: dict[Id, dict[str, float]]
    statistics: dict[Id, dict[str, list[int]]]


def caption_scores(references: Mapping[Id, Sequence[str]], predictions: Mapping[Id, str]) -> dict[str, float]:
    """Corpus scores in percent: BLEU-1 to BLEU-4, METEOR, ROUGE-L, CIDEr and, if `spice_available()`, SPICE.

    `references` maps each image id to its captions, `predictions` the same ids to one caption each; an empty
    prediction scores 0. Raises DataError when the ids differ, EnvironmentProblem when Java fails.
    """
    return score_pairs([(references, predictions)])[0].corpus


def score_pairs(
    pairs: Sequence[tuple[Mapping[Id, Sequence[str]], Mapping[Id, str]]],
    cosines: Sequence[Cosines] | None = None,
    contents: Sequence[Contents | None] | None = None,
) -> list[CaptionScores[Id]]:
    """Score pairs of references and predictions, each as in `caption_scores`, with one start of Java for all.

    References that several pairs share, as one object, are prepared once.

    Args:
        cosines: those of each set, in the order of its references, for the metrics that need them.
        contents: of each set, what is in the images.
    """
    captions: list[str] = []
    for number, (references, predictions) in enumerate(pairs, start=1):
        check_coverage(references, predictions, f"prediction set {number}")
        captions += chain(predictions.values(), *references.values())
    if not pairs:
        return []
    with undisturbed_java():
        ensure_java()
        tokens = tokenise(captions)
        prepared = {id(of): References([[tokens[text] for text in texts] for texts in of.values()]) for of, _ in pairs}
        nothing = [None] * len(pairs)
        sets = [
            CaptionSet(prepared[id(of)], [tokens[predictions[id_]] for id_ in of], own, known, list(of))
            for (of, predictions), own, known in zip(pairs, cosines or nothing, contents or nothing, strict=True)
        ]
        usable = [metric for metric in metrics() if metric.available() and (cosines or not metric.needs_cosines)]
        with ThreadPoolExecutor(2) as pool:  # Java works beside the other metrics
            found = list(pool.map(lambda metric: metric.score(sets), usable))
    families = [metric.family for metric in usable]
    return [
        _in_percent(list(of), list(zip(families, own, strict=True)))
        for (of, _), own in zip(pairs, zip(*found, strict=True), strict=True)
    ]


def check_coverage(references: Mapping[Id, Sequence[str]], predictions: Mapping[Id, str], source: str) -> None:
    """Raise DataError unless every image has references and exactly one prediction, naming `source` (a file)."""
    bare = [id_ for id_, own in references.items() if isinstance(own, str) or not any(map(str.strip, own))]
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


def _some(ids: Sequence[Hashable], noun: str) -> str:
    shown = ", ".join(repr(id_) for id_ in ids[:SHOWN_IDS]) + (", ..." if len(ids) > SHOWN_IDS else "")
    return f"{len(ids)} {noun}{'' if len(ids) == 1 else 's'} ({shown})"


def _one_line(caption: str) -> str:
    """The caption without what Java would take for a line break, or what UTF-8 cannot hold."""
    return " ".join(caption.encode("utf-8", "replace").decode().split())


def tokenise(captions: Iterable[str]) -> dict[str, str]:
    """PTB tokens of each caption, lower case and without punctuation, in one Java call.

    It is pycocoevalcap's, which would write its captions into its own package, where not every user may write.
    """
    distinct = list(dict.fromkeys(captions))
    jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
    command = ["java", "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    asked = "\n".join([*map(_one_line, distinct), SENTINEL])
    run = subprocess.run(command, input=asked.encode(), capture_output=True)
    *lines, last = [
        " ".join(word for word in line.rstrip().split(" ") if word not in ptbtokenizer.PUNCTUATIONS)
        for line in run.stdout.decode(errors="replace").removesuffix("\n").split("\n")
    ]
    if run.returncode or len(lines) != len(distinct) or last != SENTINEL:
        told = flat(run.stderr.decode(errors="replace"))[-500:]
        raise EnvironmentProblem(
            f"PTB tokenizer: Java did not return one line per caption ({told or 'it ended'}). "
            "Check that `java -version` works and that about 1 GB of memory is free, then run again."
        )
    return {text: line.replace("|||", "| | |") for text, line in zip(distinct, lines, strict=True)}  # METEOR's mark


def _in_percent(ids: Sequence[Id], found: Sequence[tuple[str, SetScores]]) -> CaptionScores[Id]:
    """The scores of one set by each family of metrics."""
    scores = {name: score for _, own in found for name, score in own.scores.items()}
    rows = {family: own.statistics for family, own in found if own.statistics is not None}
    per_item = {id_: {name: float(items[i]) for name, (_, items) in scores.items()} for i, id_ in enumerate(ids)}
    statistics = {id_: {family: of_set[i] for family, of_set in rows.items()} for i, id_ in enumerate(ids)}
    return CaptionScores({name: float(whole) for name, (whole, _) in scores.items()}, per_item, statistics)
