"""Methods by name: what a method's file says of itself is read without importing it, as every plan asks."""

from __future__ import annotations

import ast
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, create_model

from ..core.errors import ConfigError
from ..core.settings import REQUIRED, Settings, TrainingSettings, told

if TYPE_CHECKING:
    from .base import CaptioningMethod, Resources

METHODS = Path(__file__).parent
OTHERS = ("base", "of_job", "registry")  # files that are no methods
WRITTEN = {"TrainedMethod": "training_input", "CaptioningMethod": "candidates"}  # what a `Method` of each must have
RESOURCES = ("adaptor", "memory", "pairs", "vocabulary")  # what NEEDS may name
TYPES = {"str": str, "int": int, "float": float, "bool": bool}


def names() -> list[str]:
    """The methods that there are."""
    return sorted({path.stem for path in METHODS.glob("[a-z]*.py")}.difference(OTHERS))


def load_method(
    name: str, training: TrainingSettings, options: dict[str, Any] | None = None, resources: Resources | None = None
) -> CaptioningMethod:
    """The method of the file `methods/<name>.py`.

    Args:
        options: the method's own settings, `runs.<run>.options` in a config.

    Raises:
        ConfigError: there is no such method, or an option that it does not have, lacks or cannot take.
    """
    check_options(name, options or {})
    module = import_module(f".{name}", __package__)
    own = module.Options(**options or {}) if hasattr(module, "Options") else None
    method: CaptioningMethod = module.Method(training, own, resources)
    return method


@cache
def needs(method: str) -> tuple[str, ...]:
    """The constant `NEEDS` of a method's file (see `maccap.methods`).

    Raises:
        ConfigError: there is no such method, or its file has no such constant.
    """
    for node in _source(method).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and ast.unparse(node).startswith(("NEEDS =", "NEEDS:")):
            found = [getattr(part, "value", None) for part in getattr(node.value, "elts", [node.value])]
            if not set(found) <= set(RESOURCES):
                known = ", ".join(RESOURCES)
                raise ConfigError(f"maccap/methods/{method}.py: `{ast.unparse(node)}`; what it may name: {known}")
            return tuple(map(str, found))
    raise ConfigError(f"maccap/methods/{method}.py says nothing of what it needs: add the constant NEEDS")


def check_options(method: str, given: dict[str, Any], key: str = "options") -> None:
    """Compare options with the fields of the class `Options` in the method's file.

    Args:
        key: where they stand in the config, for the message.

    Raises:
        ConfigError: there is no such method, an unknown or missing option, or a value of another type.
    """
    known = _options(method)
    try:
        known.model_validate(given)
    except ValidationError as error:
        listed = f"the method {method} has {', '.join(known.model_fields) or 'none'}"
        raise ConfigError(told(error, key, listed)) from error


@cache
def _options(method: str) -> type[BaseModel]:
    """The method's options as a model: their types, and which of them have a default."""
    classes = {node.name: node for node in _source(method).body if isinstance(node, ast.ClassDef)}
    if "Method" not in classes:
        raise ConfigError(f"maccap/methods/{method}.py: add the class `Method`; see docs/methods.md")
    written = {node.name for node in classes["Method"].body if isinstance(node, ast.FunctionDef)}
    for base in map(ast.unparse, classes["Method"].bases):
        if (wanted := WRITTEN.get(base)) and wanted not in written:
            raise ConfigError(f"maccap/methods/{method}.py: `Method` has no `{wanted}`; see docs/methods.md")
        if base in WRITTEN and (base == "TrainedMethod") != ("adaptor" in needs(method)):
            kind = "names the adaptor where `Method` is a TrainedMethod, and nowhere else"
            raise ConfigError(f"maccap/methods/{method}.py: NEEDS {kind}; see docs/methods.md")
    if "Options" in classes and not any("dataclass" in ast.unparse(mark) for mark in classes["Options"].decorator_list):
        raise ConfigError(f"maccap/methods/{method}.py: make `Options` a dataclass; see docs/methods.md")
    if "Options" in classes and classes["Options"].bases:
        raise ConfigError(f"maccap/methods/{method}.py: write all options into the class `Options`, without a base")
    own = classes["Options"].body if "Options" in classes else []
    fields: dict[str, Any] = {
        ast.unparse(node.target): (_type(node.annotation), None if node.value else REQUIRED)
        for node in own
        if isinstance(node, ast.AnnAssign)
    }
    return create_model(f"{method} options", __base__=Settings, **fields)


def _type(annotation: ast.expr) -> Any:
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        return Literal[ast.literal_eval(annotation.slice)]
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Annotated":
        kind, *marks = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return Annotated[_type(kind), Field(), *map(_bounds, marks)]
    return TYPES.get(ast.unparse(annotation), Any)


def _bounds(mark: ast.expr) -> Any:
    """What a `Field(...)` says in plain values; nothing of any other mark, or of values that code computes."""
    bounds = {}
    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "Field":
        for word in mark.keywords:
            with suppress(ValueError):
                bounds[word.arg or ""] = ast.literal_eval(word.value)
    return Field(**bounds)


@cache
def _source(method: str) -> ast.Module:
    if method not in names():
        raise ConfigError(f"there is no method {method!r}; known: {', '.join(names())}")
    path = METHODS / f"{method}.py"
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"maccap/methods/{method}.py: is not Python: {error}") from error
