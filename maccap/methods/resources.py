"""What methods may read beside the images: training captions, statistics of pairs, a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import DataError
from ..data.pair_statistics import PairStatistics
from ..data.text_corpus import TextSet


@dataclass(frozen=True)
class Resources:
    """The constant `NEEDS` of a method's file says which of these it gets.

    Attributes:
        memory: the training captions with their features ("memory").
        pairs: statistics of image-text pairs of the validation split ("pairs").
        vocabulary: the lines of the file that the method's option `vocabulary` names ("vocabulary").
    """

    memory: TextSet | None = None
    pairs: PairStatistics | None = None
    vocabulary: tuple[str, ...] = ()


def read_resources(
    memory: TextSet | tuple[Sequence[Path], Path] | None = None,
    pairs: Path | None = None,
    vocabulary: Path | None = None,
) -> Resources:
    """Resources from their files.

    Args:
        memory: the training captions, or the shards of their features and their table.

    Raises:
        DataError: a file is missing or damaged; a vocabulary without words.
    """
    texts = TextSet.read(*memory) if isinstance(memory, tuple) else memory
    return Resources(texts, PairStatistics.read(pairs) if pairs else None, _lines(vocabulary) if vocabulary else ())


def _lines(path: Path) -> tuple[str, ...]:
    try:
        words = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error}); correct the option `vocabulary` of the run") from error
    if not (found := tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))):
        raise DataError(f"{path}: no words; write one entity a line")
    return found
