"""A vocabulary of entities: a file with one a line."""

from pathlib import Path

from ..core.artifacts import decoded, reading
from ..core.errors import DataError


def read_vocabulary(path: Path | str) -> tuple[str, ...]:
    """The entities in lower case, each once, in the order of the file.

    Raises:
        DataError: the file is missing, is not UTF-8 or holds no words.
    """
    with reading(path, advice="correct the option `vocabulary` of the run"):
        lines = decoded(Path(path).read_bytes(), path).splitlines()
    if not (words := tuple(dict.fromkeys(word.strip().lower() for word in lines if word.strip()))):
        raise DataError(f"{path}: no words; write one entity a line")
    return words
