"""METEOR's paraphrases and synonyms without those that given captions cannot use.

Java needs 5 s and 1.4 GB to load all 5.3 million paraphrases, and spends half of its time on WordNet's synonyms. As a
program, this file filters the paraphrases for the captions on its standard input, a JSON list, into the file named.
"""

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

from pycocoevalcap.meteor import meteor as wrapper

FOLDER = Path(wrapper.__file__).parent
PARAPHRASES = FOLDER / "data/paraphrase-en.gz"
LONGEST = 9  # runs of letters and digits in the table's longest phrase
RUN = re.compile(b"[a-z0-9]+")
OTHERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyz0123456789"))
BUFFER = 2**20  # bytes

EXCEPTIONS, SETS = "english.exceptions", "english.synsets"  # irregular forms; the numbers of the sets of each entry
LONGEST_ENDING = 4  # letters of the endings that METEOR takes away from a word to find an entry, ...
ENDINGS = ("", "s", "x", "z", "ch", "sh", "man", "y", "e")  # ... of those that it puts in their place, ...
SPOONFUL = "ful"  # ... and of the one that it may append again


def filter_paraphrases(captions: Iterable[str], out: Path, table: Path = PARAPHRASES) -> None:
    """Write the entries of METEOR's `table` (gzip) both of whose phrases stand in lower-case captions.

    An entry is three lines, probability and two phrases. They are compared by letters a to z and digits alone, which
    METEOR's normaliser leaves as they are, so that an entry may be kept in vain, but none is missed.
    """
    phrases = {b"", *chain.from_iterable(map(_phrases, captions))}
    with gzip.open(table) as full, gzip.open(out, "wb", compresslevel=1) as part:
        lines = BufferedReader(full, BUFFER)
        for probability, first, second in zip(lines, lines, lines, strict=True):
            if first.translate(None, OTHERS) in phrases and second.translate(None, OTHERS) in phrases:
                part.write(probability + first + second)


def _phrases(caption: str) -> Iterator[bytes]:
    """The letters and digits of every part of a caption that begins and ends with a word."""
    runs = RUN.findall(caption.encode())
    for start in range(len(runs)):
        for end in range(start + 1, min(start + LONGEST, len(runs)) + 1):
            yield b"".join(runs[start:end])


def filter_synonyms(captions: Iterable[str], folder: Path) -> None:
    """Write the dictionary that METEOR needs for captions, whose words are apart by spaces, into a new folder.

    It holds every entry that a word may lead to. An entry keeps the sets that it shares with another one, or else one
    set: any two of the words then have a set in common exactly when they had one before.
    """
    words = set(chain.from_iterable(caption.split() for caption in captions))
    with ZipFile(FOLDER / wrapper.METEOR_JAR) as archive:
        exceptions, entries = (archive.read(f"synonym/{name}").decode("latin-1") for name in (EXCEPTIONS, SETS))
    sets = dict(_pairs(entries))
    irregular = {base for base, forms in _pairs(exceptions) if not words.isdisjoint(forms.split())}
    reached = {entry for entry in chain(irregular, chain.from_iterable(map(_regular, words))) if entry in sets}
    uses = Counter(chain.from_iterable(sets[entry].split() for entry in reached))
    lines = []
    for entry in sorted(reached):
        numbers = sets[entry].split()
        lines += [entry, " ".join([number for number in numbers if uses[number] > 1] or numbers[:1])]
    folder.mkdir()
    (folder / EXCEPTIONS).write_text(exceptions, encoding="latin-1")
    (folder / SETS).write_text("".join(f"{line}\n" for line in lines), encoding="latin-1")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Every two lines."""
    lines = text.split("\n")
    return zip(lines[::2], lines[1::2], strict=False)


def _regular(word: str) -> list[str]:
    """The word itself, and all that METEOR could take for its base form."""
    stems = [word[: len(word) - letters] + ending for letters in range(LONGEST_ENDING + 1) for ending in ENDINGS]
    return stems + [stem + SPOONFUL for stem in stems] if word.endswith(SPOONFUL) else stems


if __name__ == "__main__":
    filter_paraphrases(json.load(sys.stdin), Path(sys.argv[1]))
