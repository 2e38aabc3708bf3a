"""METEOR's table of paraphrases without what cannot match in given captions.

Java needs 5 s and 1.4 GB to load all of it, 5.3 million pairs of phrases. The program for this purpose in METEOR's
jar, `FilterParaphrase`, takes nearly as long. This file also runs as a script, so that others do not wait for it.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

LONGEST = 9  # runs of letters and digits in the table's longest phrase
RUN = re.compile(b"[a-z0-9]+")
OTHERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789\n"))
NEWLINE = ord("\n")
BLOCK = 2**20  # bytes
BITS = 24  # of a fingerprint
ODD = [np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)]


def filter_paraphrases(table: Path, candidates: Iterable[str], references: Iterable[str], out: Path) -> None:
    """Write the entries of METEOR's `table` (gzip) that may match lower-case candidates and references.

    An entry is three lines, probability and two phrases; one must stand in a candidate, and the words of both in some
    caption. They are compared by letters a to z and digits alone, which METEOR's normaliser leaves as they are, and
    phrases by fingerprints, so that an entry may be kept in vain, but none is missed.
    """
    candidates = list(candidates)
    phrases = {b"", *chain.from_iterable(map(_spans, candidates))}
    tokens = {token for caption in chain(candidates, references) for token in caption.split()}
    words = set(chain.from_iterable(map(_spans, tokens)))  # of "u.s." also "us", without the dots
    known = np.zeros(2**BITS, dtype=bool)
    known[_fingerprints(b"".join(phrase + b"\n" for phrase in phrases))] = True
    with gzip.open(table) as full, gzip.open(out, "wb", compresslevel=1) as part:
        part.writelines(_entries(cast(BinaryIO, full), known, words))


def _spans(text: str) -> Iterator[bytes]:
    """The letters and digits of every part of a text that begins and ends with a word."""
    runs = RUN.findall(text.encode())
    for start in range(len(runs)):
        for end in range(start + 1, min(start + LONGEST, len(runs)) + 1):
            yield b"".join(runs[start:end])


def _entries(table: BinaryIO, known: NDArray[np.bool_], words: set[bytes]) -> Iterator[bytes]:
    rest = b""
    while read := table.read(BLOCK):
        block = rest + read
        ends = np.concatenate([[0], _ends(block)[2::3] + 1])  # of entries
        block, rest = block[: ends[-1]], block[ends[-1] :]
        _, first, second = known[_fingerprints(block.translate(None, OTHERS))].reshape(-1, 3).T
        for number in np.flatnonzero(first | second):
            entry = block[ends[number] : ends[number + 1]]
            if words.issuperset(RUN.findall(entry, entry.index(b"\n"))):
                yield entry


def _fingerprints(lines: bytes) -> NDArray[np.uint64]:
    """A number below 2^BITS for each line, from its length and its first and last eight bytes."""
    ends = _ends(lines)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = (ends - starts).astype(np.uint64)
    padded = bytes(8) + lines + bytes(8)
    eight: NDArray[np.uint64] = np.ndarray(len(lines) + 9, "<u8", padded, strides=(1,))  # the bytes from each on
    short = np.uint64(8) * (np.uint64(8) - np.minimum(lengths, np.uint64(8)))
    first = np.where(lengths > 0, eight[starts + 8] << short, 0)
    last = np.where(lengths > 8, eight[ends], 0)
    return (first * ODD[0] ^ last * ODD[1] ^ lengths * ODD[2]) >> np.uint64(64 - BITS)


def _ends(lines: bytes) -> NDArray[np.int64]:
    return np.flatnonzero(np.frombuffer(lines, np.uint8) == NEWLINE)


if __name__ == "__main__":  # a process of its own: PATH OF TABLE, PATH TO WRITE, the captions as JSON
    filter_paraphrases(Path(sys.argv[1]), **json.load(sys.stdin), out=Path(sys.argv[2]))
