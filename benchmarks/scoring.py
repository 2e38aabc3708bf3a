"""Scoring captions against pycocoevalcap's own loop, all metrics but SPICE: seconds, and the largest difference.

    python benchmarks/scoring.py FOLDER [--name magic_mscoco] [--rounds 3]

FOLDER/NAME.json.gz is a list of {"image_name", "captions", "prediction"}, as published with MAGIC. Both sides score the
same captions in turn, in one process; Java and its tables are started anew by each side each time, as in a single call.
"""

import argparse
import gzip
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from tabulate import tabulate

from maccap.core.allocation import cores
from maccap.metrics.captions import score_pairs
from maccap.metrics.java import ensure_java, spice_available

BLEU = [f"BLEU-{order}" for order in range(1, 5)]
Numbers = dict[str, list[float]]  # of each metric in percent, the corpus first, then each image


def theirs(references: dict[str, list[str]], predictions: dict[str, str]) -> Numbers:
    """The loop of `pycocoevalcap.eval.COCOEvalCap.evaluate`, without SPICE and without printing."""
    tokenizer = PTBTokenizer()
    truth = tokenizer.tokenize({image: [{"caption": text} for text in own] for image, own in references.items()})
    found = tokenizer.tokenize({image: [{"caption": predictions[image]}] for image in references})
    scorers = [(Bleu(4), BLEU), (Meteor(), ["METEOR"]), (Rouge(), ["ROUGE-L"]), (Cider(), ["CIDEr"])]
    numbers = {}
    for scorer, names in scorers:
        whole, items = scorer.compute_score(truth, found, **({"verbose": 0} if names is BLEU else {}))
        for name, corpus, own in zip(names, whole if names is BLEU else [whole], items if names is BLEU else [items]):
            numbers[name] = [100 * float(value) for value in (corpus, *own)]
    return numbers


def ours(references: dict[str, list[str]], predictions: dict[str, str]) -> Numbers:
    (scores,) = score_pairs([(references, predictions)])
    return {
        name: [corpus, *(scores.per_item[image][name] for image in references)]
        for name, corpus in scores.corpus.items()
    }


def timed(work: Callable[[], Numbers]) -> tuple[float, float, Numbers]:
    """Seconds by the clock, and of processors, those of Java included."""
    start, before = time.perf_counter(), os.times()
    numbers = work()
    seconds, after = time.perf_counter() - start, os.times()
    return seconds, sum(after[:4]) - sum(before[:4]), numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="magic_mscoco")
    parser.add_argument("--rounds", type=int, default=3)
    parsed = parser.parse_args()
    if spice_available():
        raise SystemExit("SPICE is installed and would be timed too; move its jars away")
    rows = json.loads(gzip.decompress((parsed.folder / f"{parsed.name}.json.gz").read_bytes()))
    references = {row["image_name"]: row["captions"] for row in rows}
    predictions = {row["image_name"]: row["prediction"] for row in rows}
    ensure_java()
    sides = {"pycocoevalcap": theirs, "maccap": ours}
    clock, processors = ({side: [] for side in sides} for _ in range(2))
    numbers = {}
    for _ in range(parsed.rounds):
        for side, work in sides.items():
            seconds, busy, numbers[side] = timed(lambda work=work: work(references, predictions))
            clock[side].append(seconds)
            processors[side].append(busy)
    table = [
        [side, statistics.median(clock[side]), min(clock[side]), statistics.median(processors[side])] for side in sides
    ]
    table.append(["times faster", *(first / second for first, second in zip(table[0][1:], table[1][1:]))])
    print(f"Python {platform.python_version()}, {cores()} cores; {len(references)} images\n")
    print(tabulate(table, ["side", "median (s)", "best (s)", "processor time (s)"], "github", floatfmt=".1f"))
    largest = max(
        abs(one - other)
        for name, values in numbers["pycocoevalcap"].items()
        for one, other in zip(values, numbers["maccap"][name], strict=True)
    )
    print(f"\nlargest difference of {sum(map(len, numbers['maccap'].values()))} numbers: {largest:g}")


if __name__ == "__main__":
    main()
