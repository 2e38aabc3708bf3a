"""Which source files a step depends on, by static analysis of imports; nothing is imported to find out."""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
FOR_TYPES_ALONE = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+.*\n|\n)*", re.MULTILINE)
RELATIVE_IMPORT = re.compile(r"^[ \t]*(from \.[\w.]* import (?:\([^)]*\)|.*))", re.MULTILINE)


@cache
def _file(module: str) -> Path | None:
    """The file of a module of this package, by its name relative to the package."""
    path = PACKAGE.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of this package that a module imports anywhere in its source, but for types, relative names resolved.

    Only the import statements are parsed: every Snakemake call asks this of the whole package.
    """
    path = _file(module)
    assert path is not None, module
    parents = module.split(".") if path.name == "__init__.py" and module else module.split(".")[:-1]
    found = set()
    for statement in RELATIVE_IMPORT.findall(FOR_TYPES_ALONE.sub("", path.read_text(encoding="utf-8"))):
        (node,) = ast.parse(statement).body
        assert isinstance(node, ast.ImportFrom)
        base = parents[: len(parents) - node.level + 1]
        target = ".".join([*base, *(node.module.split(".") if node.module else [])])
        found |= {target, *(".".join(filter(None, (target, alias.name))) for alias in node.names)}
    return frozenset(name for name in found if _file(name))


def members(package: str) -> list[str]:
    """The modules of a package whose files are found by their names, such as `metrics.caption_metrics`, sorted."""
    return [f"{package}.{path.stem}" for path in sorted(PACKAGE.joinpath(*package.split(".")).glob("[a-z]*.py"))]


def closure(*modules: str) -> list[str]:
    """Paths, relative to the package's parent, of all source files that the given modules need, sorted."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += [*imports(module), module.rpartition(".")[0]]
    files = {_file(module) for module in seen}
    return sorted(str(path.relative_to(PACKAGE.parent)) for path in files if path)


@cache
def _sha256(path: str) -> str:
    return hashlib.sha256((PACKAGE.parent / path).read_bytes()).hexdigest()


@cache
def digest(modules: tuple[str, ...]) -> str:
    """A hash over the names and bytes of all source files that the given modules need."""
    lines = "".join(f"{_sha256(path)}  {path}\n" for path in closure(*modules))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
