"""The page docs/api.md: the stable names of the package, from their signatures and docstrings; nothing is imported."""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .. import _MODULES

PACKAGE = Path(__file__).parents[1]
HEAD = """# Python

The names below are stable: `from maccap import load_run`. Each is loaded when it is first asked for, so that
`import maccap` takes no time. [tour.ipynb](tour.ipynb) shows them at work. `maccap docs` writes this page from the
docstrings.
"""
SECTIONS = ("Args:", "Attributes:", "Raises:", "Returns:")
ITEM = re.compile(r"(\*?\w+(?:, \w+)*): (.*)")

Definition = ast.ClassDef | ast.FunctionDef


def api_page() -> str:
    """The page: every stable name, and behind each the classes of this package that it returns."""
    known = set(_MODULES)
    table, lines = ["| name | what it is |", "|---|---|"], []
    for name, place in _MODULES.items():
        path = PACKAGE.joinpath(*place.strip(".").split(".")).with_suffix(".py")
        table.append(f"| [`{name}`](#{name.lower()}) | {_doc(_module(path)[name])[0]} |")
        places = {name: path}
        for told in (names := [name]):
            node, depth = _module(places[told])[told], 2 if told == name else 3
            lines += [f"{'#' * depth} `{told}`", "", *_told(node), ""]
            for method in _public(node):
                lines += [f"{'#' * (depth + 1)} `{told}.{method.name}`", "", *_told(method), ""]
            new = {
                found: home for found in _returned(node) if (home := _home(found, places[told])) and found not in known
            }
            known.update(new)
            places |= new
            names += new
    return "\n".join([HEAD, *table, "", *lines]).rstrip("\n") + "\n"


def _module(path: Path) -> dict[str, Definition]:
    """What a module defines."""
    return {node.name: node for node in _parsed(path) if isinstance(node, Definition)}


def _home(name: str, path: Path) -> Path | None:
    """The file of this package that defines a name which a module defines or imports; None if another package does."""
    if name in _module(path):
        return path
    for node in _parsed(path):
        if isinstance(node, ast.ImportFrom) and node.level and name in [alias.name for alias in node.names]:
            return path.parents[node.level - 1].joinpath(*(node.module or "").split(".")).with_suffix(".py")
    return None


@cache
def _parsed(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def _doc(node: Definition) -> list[str]:
    return inspect.cleandoc(ast.get_docstring(node) or "").splitlines()


def _public(node: Definition) -> list[ast.FunctionDef]:
    """The documented methods and properties of a class."""
    methods = (
        [part for part in node.body if isinstance(part, ast.FunctionDef)] if isinstance(node, ast.ClassDef) else []
    )
    return [method for method in methods if method.name[0] != "_" and ast.get_docstring(method)]


def _returned(node: Definition) -> list[str]:
    """The names in what a function, or a public method of a class, returns."""
    makers = [node] if isinstance(node, ast.FunctionDef) else _public(node)
    parts = [part for maker in makers if maker.returns for part in ast.walk(maker.returns)]
    return list(dict.fromkeys(part.id for part in parts if isinstance(part, ast.Name)))


def _told(node: Definition) -> Iterator[str]:
    """The signature and the docstring, in Markdown."""
    yield from ("```python", _signature(node), "```", "")
    section = ""
    for line in _doc(node):
        if line in SECTIONS:
            section = line
            yield from (f"*{line}*", "")
        elif not section or not line:
            section = section if line else ""
            yield line
        else:
            item = ITEM.fullmatch(line.removeprefix("    "))
            yield f"- `{item[1]}`: {item[2]}" if item else f"{'' if section == 'Returns:' else '  '}{line.strip()}"


def _signature(node: Definition) -> str:
    """As it is called, with types and defaults; of a class its constructor, or the fields of a dataclass."""
    if isinstance(node, ast.FunctionDef):
        if any(ast.unparse(decorator) in ("property", "cached_property") for decorator in node.decorator_list):
            return f"{node.name} -> {ast.unparse(node.returns)}" if node.returns else node.name
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("cls, ").removeprefix("self")
        return _wrapped(node.name, re.split(r", (?=\*|\w+:)", arguments.replace("=", " = ")), returns)
    made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    if made:
        return _signature(made[0]).replace("__init__", node.name, 1).removesuffix(" -> None")
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
    return _wrapped(node.name, fields, "")


def _wrapped(name: str, arguments: list[str], returns: str) -> str:
    line = f"{name}({', '.join(arguments)}){returns}"
    return line if len(line) <= 100 else "\n".join([f"{name}(", *(f"    {part}," for part in arguments), f"){returns}"])
