"""The command line: one command per rule; `caption` for a user's own pictures, `gap` for any encoder, `mirror` for
machines offline.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..core.errors import MaccapError
from ..fetch.registry import REGISTRY
from ..lineage import crate, trace, verify
from ..steps.arguments import add_arguments, inputs_of
from ..steps.runner import run_step
from . import dvc as drivers
from . import gap_arguments as gap

NOT_STEPS = ("runner", "arguments")
STEPS = sorted({path.stem for path in (Path(__file__).parents[1] / "steps").glob("[a-z]*.py")}.difference(NOT_STEPS))


def main(argv: list[str] | None = None) -> int:
    """Run one command; an error that a user can mend prints one line and gives exit code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "caption":
            from .caption import caption_pictures

            caption_pictures(parsed.paths, parsed.run, parsed.config, parsed.output, parsed.explain)
        elif parsed.command == "crate":
            crate.run(parsed)
        elif parsed.command == "dvc":
            drivers.run(parsed)
        elif parsed.command == "doctor":
            from .doctor import diagnose

            return diagnose(ask_torch=parsed.torch)
        elif parsed.command == "gap":
            from .gap import measure_encoder

            measure_encoder(parsed, arguments)
        elif parsed.command == "mirror":
            from ..fetch.mirror import build_mirror

            build_mirror(parsed.folder, parsed.registry, parsed.assets)
        elif parsed.command == "trace":
            return trace.run(parsed)
        elif parsed.command == "verify":
            return verify.run(parsed)
        else:
            run_step(parsed.command.replace("-", "_"), inputs_of(parsed), parsed.output, parsed.cfg, arguments)
    except MaccapError as error:
        print(f"maccap {parsed.command}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="maccap", description="Reproduce MacCap, step by step.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    own = commands.add_parser("caption", help="caption your own pictures with a trained run")
    own.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="picture files or folders of pictures")
    own.add_argument("--run", type=Path, metavar="FOLDER", help="a trained run (default: the mini profile's first)")
    own.add_argument("--config", type=Path, default=Path("config/mini.yaml"), help="profile with `decoding` settings")
    own.add_argument("--output", type=Path, metavar="FILE", help="write the JSON here (default: print it)")
    own.add_argument("--explain", type=Path, metavar="FOLDER", help="save each picture with its subregions here")
    crate.add_parser(commands)
    doctor = commands.add_parser("doctor", help="what this machine has, and what each profile needs")
    doctor.add_argument("--torch", action="store_true", help="ask torch, too, whether it can use a GPU (takes seconds)")
    drivers.add_parser(commands)
    gap.add_parser(commands)
    mirror = commands.add_parser("mirror", help="fetch all assets into a folder that serves machines without internet")
    mirror.add_argument("folder", type=Path, metavar="DIR")
    mirror.add_argument("assets", nargs="*", metavar="ASSET", help="names in the registry (default: all)")
    mirror.add_argument("--registry", type=Path, default=REGISTRY, metavar="FILE", help="default: %(default)s")
    trace.add_parser(commands)
    verify.add_parser(commands)
    for name in STEPS:
        add_arguments(commands.add_parser(name.replace("_", "-"), help=f"rule {name}"))
    return parser
