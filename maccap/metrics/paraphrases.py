"""METEOR's table of paraphrases without what cannot occur in given captions.

Java needs 10 s and 1.4 GB to load all of it, 5.3 million pairs of phrases. The program for this purpose in METEOR's
jar, `FilterParaphrase`, takes nearly as long.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from itertools import compress, count
from operator import or_
from pathlib import Path
from typing import BinaryIO, cast

LONGEST = 9  # runs of letters and digits in the table's longest phrase
RUN = re.compile(b"[a-z0-9]+")
OTHERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789\n"))
BLOCK = 2**16  # bytes


def filter_paraphrases(table: Path, candidates: Iterable[str], references: Iterable[str], out: Path) -> None:
    """Write the entries of METEOR's `table` (gzip) that may match lower-case candidates and references.

    An entry is three lines, probability and two phrases; one must stand in a candidate, and the words of both in some
    caption. They are compared by letters a to z and digits alone, which METEOR's normaliser leaves as they are, so that
    an entry may be kept in vain, but none is missed.
    """
    phrases, words = {b""}, set()
    for runs in map(RUN.findall, map(str.encode, candidates)):
        words.update(runs)
        for start in range(len(runs)):
            phrases.update(b"".join(runs[start:end]) for end in range(start + 1, min(start + LONGEST, len(runs)) + 1))
    words.update(run for caption in references for run in RUN.findall(caption.encode()))
    with gzip.open(table) as full, gzip.open(out, "wb", compresslevel=1) as part:
        part.writelines(_entries(cast(BinaryIO, full), phrases, words))


def _entries(table: BinaryIO, phrases: set[bytes], words: set[bytes]) -> Iterator[bytes]:
    while block := table.read(BLOCK):
        block += table.readline()
        while block.count(b"\n") % 3 and (line := table.readline()):
            block += line
        keys = block.translate(None, OTHERS).split(b"\n")
        either = map(or_, map(phrases.__contains__, keys[1::3]), map(phrases.__contains__, keys[2::3]))
        if starts := list(compress(count(0, 3), either)):
            lines = block.split(b"\n")
            for start in starts:
                entry = b"\n".join(lines[start : start + 3]) + b"\n"
                if words.issuperset(RUN.findall(entry, entry.index(b"\n"))):
                    yield entry
