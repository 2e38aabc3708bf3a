"""Compared methods: one small file each, one interface. A new method is one file here and one line in a config.

The constant `NEEDS` of each file says what the rules must give it: "adaptor" (it is trained), "memory", "pairs",
"vocabulary"; see `resources.Resources`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ..config import TrainingSettings, settings
from ..errors import ConfigError
from .base import CaptioningMethod, TrainedMethod
from .resources import Resources, read_resources

__all__ = ["CaptioningMethod", "Resources", "TrainedMethod", "load_method", "read_resources"]


def load_method(
    name: str, training: TrainingSettings, options: dict[str, Any] | None = None, resources: Resources | None = None
) -> CaptioningMethod:
    """The method of the file `methods/<name>.py`.

    Args:
        options: the method's own settings, `runs.<run>.options` in a config.

    Raises:
        ConfigError: there is no such file, or the method has no such option.
    """
    try:
        module = import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        raise ConfigError(f"method {name!r} does not exist: add maccap/methods/{name}.py or correct `runs`") from error
    given = {f"options.{key}": value for key, value in (options or {}).items()}
    method: CaptioningMethod = module.Method(
        training, settings(module.Method.Options, given, "options"), resources or Resources()
    )
    return method
