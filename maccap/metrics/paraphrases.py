"""METEOR's table of paraphrases without what cannot occur in given captions.

Java needs 10 s and 1.4 GB to load all of it, 5.3 million pairs of phrases. The program for this purpose in METEOR's
jar, `FilterParaphrase`, takes nearly as long.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

LONGEST = 9  # runs of letters and digits in the table's longest phrase
RUN = re.compile("[a-z0-9]+")
OTHERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789\n"))
BLOCK = 2**16  # bytes


def filter_paraphrases(table: Path, captions: Iterable[str], out: Path) -> None:
    """Write the entries of METEOR's `table` (gzip) of which both phrases may stand in one of the lower-case `captions`.

    An entry is three lines, probability and two phrases. Phrases are compared by letters a to z and digits alone,
    which METEOR's normaliser leaves as they are, so that an entry may be kept in vain, but none is missed.
    """
    phrases = _phrases(captions)
    with gzip.open(table) as full, gzip.open(out, "wb", compresslevel=1) as part:
        part.writelines(_entries(cast(BinaryIO, full), phrases))


def _phrases(captions: Iterable[str]) -> set[bytes]:
    """The letters and digits of every phrase of some captions, and of one without any."""
    phrases = {""}
    for caption in captions:
        runs = RUN.findall(caption)
        for start in range(len(runs)):
            phrases.update("".join(runs[start:end]) for end in range(start + 1, min(start + LONGEST, len(runs)) + 1))
    return {phrase.encode() for phrase in phrases}


def _entries(table: BinaryIO, phrases: set[bytes]) -> Iterator[bytes]:
    while block := table.read(BLOCK):
        block += table.readline()
        while block.count(b"\n") % 3 and (line := table.readline()):
            block += line
        keys = block.translate(None, OTHERS).split(b"\n")
        if not phrases.isdisjoint(keys[1::3]):
            lines = block.split(b"\n")
            for start in range(0, len(lines) - 1, 3):
                if phrases.issuperset(keys[start + 1 : start + 3]):
                    yield b"\n".join(lines[start : start + 3]) + b"\n"
