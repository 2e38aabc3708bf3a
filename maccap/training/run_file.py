"""`run.json`: everything that is needed to use a trained run elsewhere.

What training decided stands in the header of the run's weights; the settings of generation, selection and answering may
change afterwards and are written beside it. Nothing here imports torch.
"""

import json
import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError
from safetensors import SafetensorError, safe_open

from ..core.artifacts import read_json
from ..core.errors import DataError, first_fault
from ..core.settings import AnsweringSettings, GenerationSettings, SelectionSettings, TrainingSettings
from ..core.strict import Strict
from ..methods.registry import needs

FILE, WEIGHTS, LOG = "run.json", "adaptor.safetensors", "log.jsonl"
HEADER = "maccap"  # the entry of the weights' header that holds what training decided, as JSON
IDENTITY = ("trained", "run", "seed")


class Frozen(BaseModel):
    """A frozen model as the config names it, with the other keys there; `folder` is where the workflow read it."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str
    folder: str


class MemoryFiles(Strict):
    """The training captions that a method retrieves from: shards of their text features, and their table."""

    features: list[str]
    captions: str


class ResourceFiles(Strict):
    """Files that the run's method reads beside its weights; only what it needs is there."""

    memory: MemoryFiles | None = None
    pairs: str | None = None
    vocabulary: str | None = None


class RunFile(Strict):
    """The content of run.json; paths are relative to the project's folder.

    Attributes:
        trained: the data set that it was trained on.
        run: its name in the config.
        steps: of training.
        training, generation, selection, answering: settings, complete.
        feature_dim, lm_dim: widths of the encoder's features and of the language model's embeddings.
        final: the last line of the log: step, loss, gradient norm (None where fp16 could not hold it), learning rate,
            validation loss.
    """

    method: str
    options: dict[str, Any]
    seed: int
    trained: str
    run: str
    steps: int
    training: TrainingSettings
    generation: GenerationSettings
    selection: SelectionSettings
    answering: AnsweringSettings
    encoder: Frozen
    language_model: Frozen
    feature_dim: PositiveInt
    lm_dim: PositiveInt
    trainable_parameters: int
    final: dict[str, int | float | None]
    resources: ResourceFiles


def describe_run(
    weights: Path,
    log: Path,
    settings: dict[str, dict[str, Any]],
    models: dict[str, Path],
    *,
    memory: MemoryFiles | None,
    pairs: Path | None,
) -> RunFile:
    """The description of a trained run.

    Args:
        weights, log: what training left of one seed.
        settings: those of `generation`, `selection` and `answering`.
        models: the folders that the workflow reads the frozen models from, `encoder` and `language_model`.
        memory, pairs: the files for methods that read them; they are left out where the run's method does not.

    Raises:
        DataError: weights or log are damaged, are not of one run, or do not say all.
    """
    header, parameters = read_header(weights)
    final = _last_line(log)
    if any(final.pop(key, None) != header.get(key) for key in IDENTITY):
        raise DataError(f"{log}: is not of the run whose weights are {weights}; delete both and train again")
    try:
        needed = needs(header["method"])
        files = {
            "memory": memory,
            "pairs": pairs and pairs.as_posix(),
            "vocabulary": header["options"].get("vocabulary"),
        }
        frozen = {key: header.pop(key) | {"folder": folder.as_posix()} for key, folder in models.items()}
        measured = {"steps": final["step"], "final": final, "trainable_parameters": parameters}
        resources = {name: file for name, file in files.items() if name in needed}
        return RunFile.model_validate(header | frozen | settings | measured | {"resources": resources})
    except (ValidationError, TypeError, KeyError) as error:
        raise DataError(f"{weights}: does not say how it was trained ({error}); train again") from error


def read_header(weights: Path) -> tuple[dict[str, Any], int]:
    """What training decided, from the header of its weights, and their number of parameters.

    Raises:
        DataError: the file is missing or damaged, or training did not write it.
    """
    try:
        with safe_open(weights, "numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except FileNotFoundError as error:
        raise DataError(f"{weights}: no such file; train the run first") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(f"{weights}: not the weights of a run ({error}); delete it and train again") from error
    return header, sum(map(math.prod, shapes))


def read_run(folder: Path) -> RunFile:
    """The description in a run folder.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        raise DataError(f"{folder}: no trained run there (no {FILE}); name the folder of one, or `daylight` or `chalk`")
    try:
        return RunFile.model_validate_json(json.dumps(read_json(path)))
    except ValidationError as error:
        raise DataError(f"{path}: {first_fault(error)}; run the workflow again, which writes it") from error


def _last_line(log: Path) -> dict[str, Any]:
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        if not lines:
            raise ValueError("it is empty")
    except (OSError, ValueError) as error:
        raise DataError(f"{log}: not the log of a run ({error}); delete it and train again") from error
    return lines[-1]
