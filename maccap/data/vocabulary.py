"""A vocabulary of entities: a file with one a line."""

from pathlib import Path

from ..core.artifacts import decoded, disguise, reading
from ..core.errors import DataError
from .archives import composed


def read_vocabulary(path: Path | str) -> tuple[str, ...]:
    """The entities in lower case, accents composed, each once, in the order of the file.

    Raises:
        DataError: the file is missing, a pointer of Git LFS or an HTML page, is not UTF-8, or holds no words.
    """
    with reading(path, advice="correct the option `vocabulary` of the run"):
        content = Path(path).read_bytes()
        if content and (what := disguise(content)):
            raise DataError(f"{path}: no list of words ({what}); name another file")
        if b"\0" in content:
            raise DataError(f"{path}: no list of words (it has bytes of 0, as UTF-16 does); save it as UTF-8")
        lines = composed(decoded(content, path)).splitlines()
    if not (words := tuple(dict.fromkeys(word.strip().lower() for word in lines if word.strip()))):
        raise DataError(f"{path}: no words; write one entity a line")
    return words
