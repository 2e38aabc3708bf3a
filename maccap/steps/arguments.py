"""The arguments of a step's command, `maccap STEP --input NAME PATH... --output PATH... --cfg DICT`."""

from __future__ import annotations

import argparse
import ast
import shlex
from pathlib import Path
from typing import NoReturn

from ..core.errors import DataError
from ..core.job import Job


def add_arguments(step: argparse.ArgumentParser) -> None:
    step.add_argument("--input", nargs="+", action="append", default=[], metavar=("NAME", "PATH"))
    step.add_argument("--output", nargs="+", type=Path, required=True, metavar="PATH")
    step.add_argument("--cfg", type=ast.literal_eval, default={}, help="dotted config keys as a Python dict")


def inputs_of(parsed: argparse.Namespace) -> dict[str, list[Path]]:
    """The named inputs of parsed arguments."""
    return {name: [Path(path) for path in paths] for name, *paths in parsed.input}


def parse_command(command: str) -> tuple[str, Job]:
    """The step's module and the job of a recorded command.

    Raises:
        DataError: it is no command of a step.
    """
    parser = _Strict(add_help=False)
    add_arguments(parser)
    try:
        program, step, *arguments = shlex.split(command)
        parsed = parser.parse_args(arguments)
    except ValueError as error:
        raise DataError(f"{command[:80]!r} is not a step's command ({error})") from error
    name = step.replace("-", "_")
    if program != "maccap" or not Path(__file__).with_name(f"{name}.py").is_file() or not isinstance(parsed.cfg, dict):
        raise DataError(f"{command[:80]!r} is not a step's command")
    return name, Job(inputs_of(parsed), parsed.output, parsed.cfg)


class _Strict(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)
