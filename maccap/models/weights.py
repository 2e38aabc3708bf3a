"""Files of models: what is wrong with them, said before and after a library tries to load them."""

import pickle
from pathlib import Path

from safetensors import SafetensorError

from ..core.artifacts import disguised
from ..core.errors import DataError

LOAD_ERRORS = (
    OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError, pickle.PickleError,
    SafetensorError,
)  # fmt: skip
SUFFIXES = (".bin", ".gguf", ".json", ".model", ".pt", ".pth", ".safetensors")


def model_files(place: Path | str) -> list[str]:
    """The files of a model's folder, sorted, without its card and what is hidden; or the file itself.

    Raises:
        DataError: one of them is empty, a pointer of Git LFS or an HTML page.
    """
    files = [Path(place)]
    if Path(place).is_dir():
        there = sorted(Path(place).iterdir())
        files = [path for path in there if path.suffix != ".md" and path.name[0] != "." and not path.is_dir()]
    for path in files:
        if (path.suffix in SUFFIXES or path == Path(place)) and (what := disguised(path)):
            raise DataError(f"{path}: {what}; a model needs the file itself")
    return list(map(str, files))


def reason(error: Exception) -> str:
    """Why a model cannot be loaded; torch's own text about a file that is no pickle advises to trust it."""
    if isinstance(error, pickle.PickleError):
        return "its weights are damaged, or of another kind"
    told = isinstance(error, OSError | RuntimeError | ValueError | SafetensorError)
    return str(error) if told else f"its files are damaged, or of another kind ({type(error).__name__}: {error})"
