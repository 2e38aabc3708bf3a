"""`maccap step`: run one step of the workflow, as its rules do."""

import argparse
import ast
import os
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.records import THREADS, read_record
from ..steps.runner import run_step

FOLDER = Path(__file__).parents[1] / "steps"
STEPS = {path.stem: path for path in sorted(FOLDER.glob("[a-z]*.py")) if path.stem != "runner"}


def add_arguments(step: argparse.ArgumentParser) -> None:
    """Add the arguments of `maccap step`; its help lists the steps by the first line of their files."""
    width = max(map(len, STEPS)) + 2
    listed = ["steps:"]
    for name, path in STEPS.items():
        first_line = path.read_text(encoding="utf-8").partition("\n")[0].strip('".')
        listed.append(f"  {name.replace('_', '-'):<{width}}{first_line}")
    step.description = "Run one step of the workflow and write its record."
    step.epilog = "\n".join(listed)
    step.formatter_class = argparse.RawDescriptionHelpFormatter
    step.add_argument("name", nargs="?", metavar="NAME", help="one of the steps below")
    step.add_argument("--input", nargs="+", action="append", default=[], metavar=("NAME", "PATH"), help="named inputs")
    step.add_argument("--output", nargs="+", type=Path, default=[], metavar="PATH", help="in the order of the rule")
    step.add_argument("--cfg", type=_settings, default={}, help="dotted config keys as a Python dict")
    step.add_argument("--again", type=Path, metavar="RECORD", help="do the job of this record again, with this code")


def _settings(text: str) -> dict[str, Any]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        found = None
    if isinstance(found, dict) and all(isinstance(key, str) for key in found):
        return found
    raise argparse.ArgumentTypeError(f"{text[:80]!r}: no Python dict of dotted config keys")


def run(parsed: argparse.Namespace) -> None:
    """Run the step; again with as many threads as the record says, since sums of floats depend on their number.

    Raises:
        ConfigError: there is no such step, or no output is named.
        DataError: the record is missing or damaged.
    """
    if parsed.again:
        record = read_record(parsed.again)
        name, job = record.step, record.job
        inputs, outputs, settings = job.inputs, job.outputs, job.settings
        for variable in THREADS if "threads" in record.host else ():
            os.environ.setdefault(variable, record.host["threads"])
    else:
        name = (parsed.name or "").replace("-", "_")
        inputs = {kind: [Path(path) for path in paths] for kind, *paths in parsed.input}
        outputs, settings = parsed.output, parsed.cfg
    if name not in STEPS:
        raise ConfigError(f"{parsed.again or parsed.name or 'no NAME'}: not a step; `maccap step --help` lists them")
    if not outputs:
        raise ConfigError(f"{parsed.name}: no --output; name the files that it is to make")
    run_step(name, inputs, outputs, settings, parsed.arguments)
