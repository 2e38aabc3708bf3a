"""The command line: one module per command; the steps of the workflow are behind `maccap step`.

Only the module of the command that is asked for is imported, so that help is there at once.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from ..core.errors import MaccapError
from .docstrings import first_line

COMMANDS = ("caption", "crate", "doctor", "dvc", "export", "gap", "mirror", "trace", "verify")
FAILED, INTERRUPTED = 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    An error that a user can mend prints its message and gives exit code 2; Ctrl-C gives 130.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    asked = arguments[0] if arguments else ""
    try:
        parsed = _parser(asked).parse_args(arguments)
        parsed.arguments = arguments
        return import_module(f".{asked}", __package__).run(parsed) or 0
    except MaccapError as error:
        print(f"maccap {asked}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"maccap {asked}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser(asked: str) -> argparse.ArgumentParser:
    """The parser of the command line; of the commands, only the one asked for has its arguments."""
    parser = argparse.ArgumentParser(
        prog="maccap",
        description="Reproduce MacCap: caption your own images, measure encoders, check where numbers come from.",
        epilog="The rules of the workflow run `maccap step NAME`; `maccap step --help` lists the steps.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        if name != asked:
            commands.add_parser(name, help=first_line(Path(__file__).with_name(f"{name}.py")))
    if asked in (*COMMANDS, "step"):
        import_module(f".{asked}", __package__).add_parser(commands)
    return parser
