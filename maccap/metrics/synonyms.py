"""METEOR's synonyms without those that no two words of given captions share.

METEOR asks of every two words whether they have a set of synonyms in common; with WordNet's sets of 148,000 entries it
spends half of its time on that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

EXCEPTIONS, SETS = "english.exceptions", "english.synsets"  # irregular forms; the numbers of the sets of each entry
LONGEST = 4  # letters of the endings that METEOR takes away from a word to find an entry, ...
ENDINGS = ("", "s", "x", "z", "ch", "sh", "man", "y", "e")  # ... of those that it puts in their place, ...
SPOONFUL = "ful"  # ... and of the one that it may append again


def filter_synonyms(jar: Path, captions: Iterable[str], folder: Path) -> None:
    """Write the dictionary that METEOR's `jar` needs for captions, whose words are apart by spaces, into a folder.

    It holds every entry that a word may lead to. An entry keeps the sets that it shares with another one, or else one
    set: any two of the words then have a set in common exactly when they had one before.
    """
    words = set(chain.from_iterable(caption.split() for caption in captions))
    with ZipFile(jar) as archive:
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
    stems = [word[: len(word) - letters] + ending for letters in range(LONGEST + 1) for ending in ENDINGS]
    return stems + [stem + SPOONFUL for stem in stems] if word.endswith(SPOONFUL) else stems
