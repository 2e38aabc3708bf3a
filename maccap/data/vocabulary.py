"""A vocabulary of entities: a file with one a line."""

from pathlib import Path

from ..core.artifacts import decoded, disguise, reading
from ..core.errors import DataError


def read_vocabulary(path: Path | str) -> tuple[str, ...]:
    """The entities in lower case, each once, in the order of the file.

    Raises:
        DataError: the file is missing, a pointer of Git LFS or an HTML page, is not UTF-8, or holds no words.
    """
    with reading(path, advice="correct the option `vocabulary` of the run"):
        content = Path(path).read_bytes()
        if content and (what := disguise(content)):
            raise DataError(f"{path}: no list of words ({what}); name another file")
        lines = decoded(content, path).splitlines()
    if not (words := tuple(dict.fromkeys(word.strip().lower() for word in lines if word.strip()))):
        raise DataError(f"{path}: no words; write one entity a line")
    return words
