"""Compared methods: one small file each, one interface. A new method is one file here and one line in a config."""

from __future__ import annotations

from importlib import import_module

from ..config import TrainingSettings
from ..errors import ConfigError
from .base import CaptioningMethod

__all__ = ["CaptioningMethod", "load_method"]


def load_method(name: str, training: TrainingSettings) -> CaptioningMethod:
    """The method of the file `methods/<name>.py`.

    Raises:
        ConfigError: there is no such file.
    """
    try:
        module = import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        raise ConfigError(f"method {name!r} does not exist: add maccap/methods/{name}.py or correct `runs`") from error
    return module.Method(training)
