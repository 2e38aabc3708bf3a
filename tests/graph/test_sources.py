"""The code of a step is what Python would load for it; imports go down the floors of the package and never up."""

import ast
import graphlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maccap.graph.sources import closure
from maccap.methods.registry import names
from tests.helpers import ROOT

PACKAGE = ROOT / "maccap"
FILES = sorted(path.relative_to(ROOT) for path in PACKAGE.rglob("*.py"))
STEPS = sorted(path.stem for path in (PACKAGE / "steps").glob("[a-z]*.py") if path.stem != "runner")
METHODS = names()


def module_of(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}
READS_THE_GRAPH = Path("maccap/graph/snakemake_graph.py")  # asks Snakemake, inside a function

LOAD_EACH_ALONE = """
import importlib, json, sys
for names in json.loads(sys.argv[1]):
    for loaded in [name for name in sys.modules if name.split(".")[0] == "maccap"]:
        del sys.modules[loaded]
    for name in names:
        importlib.import_module(name)
    files = [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "maccap"]
    print(json.dumps([names, files]))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """What Python itself loads from the package for each step (behind the runner) and for each method alone."""
    steps = [["maccap.steps.runner", f"maccap.steps.{step}"] for step in STEPS]
    return load_each([*steps, *([f"maccap.methods.{method}"] for method in METHODS)])


def load_each(tasks: list[list[str]]) -> dict[str, set[str]]:
    """The files that Python loads from the package for some modules, one after the other, from nothing."""
    run = subprocess.run(
        [sys.executable, "-c", LOAD_EACH_ALONE, json.dumps(tasks)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    return {" ".join(names): {str(Path(f).relative_to(ROOT)) for f in files} for names, files in rows}


def imported(module: str, *, top_level: bool) -> set[str]:
    """Modules of the package that a module's source imports: where it is loaded, or anywhere."""
    todo, nodes = list(ast.parse((ROOT / MODULES[module]).read_text(encoding="utf-8")).body), []
    while todo:
        node = todo.pop()
        nodes.append(node)
        if not top_level or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo += ast.iter_child_nodes(node)
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            found |= {target, *(f"{target}.{alias.name}" for alias in node.names)}
    return {name for name in found if name in MODULES}


# --- the code of a step --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("step", STEPS)
def test_the_code_of_a_step_is_every_file_that_python_loads_for_it(loaded: dict[str, set[str]], step: str) -> None:
    found = closure("steps.runner", f"steps.{step}")
    assert found == sorted(set(found))
    really = loaded[f"maccap.steps.runner maccap.steps.{step}"]
    assert really - set(found) == set(), "files that the step runs and whose edits would not rerun it"
    lazy = {str(MODULES[name]) for module in MODULES for name in imported(module, top_level=False)}
    assert set(found) - really <= lazy, "files that no import names"


@pytest.mark.parametrize("method", METHODS)
def test_the_code_of_a_method_is_every_file_that_python_loads_for_it(loaded: dict[str, set[str]], method: str) -> None:
    assert loaded[f"maccap.methods.{method}"] <= set(closure(f"methods.{method}"))
    assert f"maccap/methods/{method}.py" not in closure("steps.train"), "only a run's own method may rerun it"


def test_two_steps_far_apart_share_only_what_both_need() -> None:
    assert "maccap/training/trainer.py" in closure("steps.train")
    assert "maccap/training/trainer.py" not in closure("steps.scenes")
    assert "maccap/world/scenes.py" in closure("steps.scenes")
    assert "maccap/world/scenes.py" not in closure("steps.train")
    assert "maccap/core/artifacts.py" in closure("steps.runner")


def test_nothing_hides_an_import_from_static_analysis() -> None:
    dynamic = set()
    for file in FILES:
        source = (ROOT / file).read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                assert not any(a.name.split(".")[0] == "maccap" for a in node.names), f"{file}: absolute import"
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").split(".")[0] != "maccap", f"{file}: absolute import"
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if called in ("import_module", "__import__", "exec", "run_module", "run_path"):
                    dynamic.add(str(file))
    by_hand = {  # what they import, the rules name
        "maccap/steps/runner.py", "maccap/methods/registry.py", "maccap/data/formats.py",
        "maccap/metrics/registry.py",
    }  # fmt: skip
    assert dynamic == by_hand | {"maccap/__init__.py", "maccap/cli/main.py"}


# --- structure -----------------------------------------------------------------------------------------------------
def test_there_is_no_import_cycle() -> None:
    graph = {}
    for module in MODULES:
        ancestors = {module[:i] for i, c in enumerate(module) if c == "."}
        below = imported(module, top_level=True)
        parents = {name[:i] for name in below for i, c in enumerate(name) if c == "."}
        graph[module] = ((below | parents) & set(MODULES)) - ancestors - {module}
    assert sum(map(len, graph.values())) > len(MODULES), "no imports were found"
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert order.index("maccap.core.errors") < order.index("maccap.core.artifacts") < order.index("maccap.cli.dvc")


@pytest.mark.slow
def test_every_module_can_be_imported_first() -> None:
    files = {name: file for name, file in MODULES.items() if name != "maccap.__main__"}
    loaded = load_each([[name] for name in files])
    for name, file in files.items():
        assert str(file) in loaded[name]


def test_nothing_in_the_package_imports_the_workflow_or_the_tests() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            banned = {"workflow", "tests"} | ({"snakemake"} if file != READS_THE_GRAPH else set())
            assert not {name.split(".")[0] for name in names} & banned, file


# A package imports only from itself and from those before it.
FLOORS = (
    "core", "data", "models", "methods", "training", "inference", "metrics", "gap", "world", "tables", "figures",
    "report", "fetch", "lineage", "graph", "steps", "cli",
)  # fmt: skip


def test_packages_import_only_downward() -> None:
    assert {file.parts[1] for file in FILES if len(file.parts) > 2} == set(FLOORS)
    upward = [
        f"{MODULES[module]} imports {name}"
        for module, file in MODULES.items()
        if len(file.parts) > 2
        for name in imported(module, top_level=False)
        if (package := MODULES[name].parts[1]) in FLOORS and FLOORS.index(package) > FLOORS.index(file.parts[1])
    ]
    assert not upward
