"""Methods by name: what a method's file says of itself is read without importing it, as every plan asks."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError
from ..core.settings import TrainingSettings, settings

if TYPE_CHECKING:
    from .base import CaptioningMethod
    from .resources import Resources

METHODS = Path(__file__).parent


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
        module = import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        raise ConfigError(f"method {name!r} does not exist: add maccap/methods/{name}.py or correct `runs`") from error
    given = {f"options.{key}": value for key, value in (options or {}).items()}
    method: CaptioningMethod = module.Method(training, settings(module.Method.Options, given, "options"), resources)
    return method


@cache
def needs(method: str) -> tuple[str, ...]:
    """The constant `NEEDS` of a method's file (see `maccap.methods`), read without importing it.

    Raises:
        ConfigError: the file has no such constant.
    """
    tree = ast.parse((METHODS / f"{method}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["NEEDS"]:
            return tuple(ast.literal_eval(node.value))
    raise ConfigError(f"maccap/methods/{method}.py says nothing of what it needs: add the constant NEEDS")


@cache
def options(method: str) -> tuple[str, ...]:
    """The names of a method's options, the fields of its file's class `Options`, read without importing it."""
    tree = ast.parse((METHODS / f"{method}.py").read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Options"]
    fields = [node for own in classes for node in own.body if isinstance(node, ast.AnnAssign)]
    return tuple(ast.unparse(field.target) for field in fields)
