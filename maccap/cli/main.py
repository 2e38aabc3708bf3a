"""The command line: the arguments of every command, and what runs it, imported only when it is asked for.

The rules of the workflow run `maccap step`, which the list of commands does not show.
"""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path

from .. import __version__
from ..core.errors import ConfigError, MaccapError, flat, out_of_memory, refusal

FAILED, INTERRUPTED = 2, 130
ENDINGS = (signal.SIGTERM, signal.SIGHUP)  # of a scheduler or `timeout`, and of a terminal that is closed
SMALLER = "lower what is held at once in the config (batch_size, copies, draws, beams)"
FILTERS = ("trained", "experiment", "vqa_method", "tested", "seed")  # of `maccap export predictions`


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    An error that a user can mend, or what the system refuses, is one line and gives exit code 2; Ctrl-C gives 130, and
    SIGTERM 143, a closed terminal 129.

    Raises:
        BrokenPipeError: whoever read the output, such as `head`, has read enough.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    asked = arguments[0] if arguments else ""
    try:
        for place, word in enumerate(arguments):
            if not word or (word.startswith("--") and word.endswith("=")):  # as a path, it would be the current folder
                before = " ".join(["maccap", *arguments[:place], word]).strip()
                raise ConfigError(f"nothing stands behind `{before}`; name something there, or leave it out")
        parsed = parser(asked).parse_args(arguments)
        parsed.arguments = arguments
        with nullcontext() if asked == "step" else _terminated_in_order():
            return _run(parsed) or 0
    except BrokenPipeError:
        raise
    except MaccapError as error:
        fault = str(error)
    except (OSError, UnicodeError) as error:
        fault = refusal(error)
    except (MemoryError, RuntimeError, ImportError) as error:
        if not out_of_memory(error):
            raise
        fault = f"{flat(error)[:300] or 'out of memory'}; {SMALLER}, or use a machine with more memory"
    except KeyboardInterrupt:
        print(f"maccap {asked}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except _Terminated as ended:
        print(f"maccap {asked}: terminated", file=sys.stderr)
        return 128 + int(ended.args[0])
    print(f"maccap {asked}: {fault}", file=sys.stderr)
    return FAILED


class _Terminated(SystemExit):
    """One of ENDINGS has come: its number."""


@contextmanager
def _terminated_in_order() -> Iterator[None]:
    """Let ENDINGS, unless they are ignored, end what is open before they end the process."""

    def end(number: int, frame: object) -> None:
        raise _Terminated(number)

    caught = [number for number in ENDINGS if signal.getsignal(number) == signal.SIG_DFL]
    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _run(parsed: argparse.Namespace) -> int | None:
    if parsed.command == "mirror":
        from ..fetch.mirror import build_mirror

        build_mirror(parsed.folder, parsed.registry, parsed.assets)
        return 0
    if parsed.command == "verify":
        from ..lineage import verify
        from ..steps.runner import run_jobs

        return verify.run(parsed, run_jobs)
    place = "..lineage" if parsed.command in ("crate", "trace") else ""
    return import_module(f"{place}.{parsed.command}", __package__).run(parsed)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: no number of jobs")
    return int(text)


def parser(asked: str = "") -> argparse.ArgumentParser:
    """The parser of the command line; the arguments of `maccap step` are there when it is asked for."""
    whole = argparse.ArgumentParser(
        prog="maccap",
        description="Reproduce MacCap: caption your own images, measure encoders, check where numbers come from.",
        epilog="The rules of the workflow run `maccap step NAME`; `maccap step --help` lists the steps.",
    )
    whole.add_argument("--version", action="version", version=f"maccap {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    caption = commands.add_parser("caption", help="caption your own images with a trained run")
    caption.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image files or folders of images")
    caption.add_argument(
        "--run",
        type=Path,
        metavar="FOLDER",
        help="a trained run, or `daylight` (the default) or `chalk`, which come with the package",
    )
    caption.add_argument("--output", type=Path, metavar="FILE", help="write the JSON here (default: print it)")
    caption.add_argument(
        "--explain", type=Path, metavar="FOLDER", help="save each image with the patches that CLIP attends to most here"
    )

    default_profile = "default: the one that config/config.yaml names"
    crate = commands.add_parser("crate", help="pack results and where they come from into a Workflow Run RO-Crate")
    crate.add_argument("--profile", help=default_profile)
    crate.add_argument(
        "--output", type=Path, metavar="PATH", help="a .zip or a new folder (default: results/PROFILE/crate.zip)"
    )

    docs = commands.add_parser("docs", help="fill README and docs from the results and the code")
    docs.add_argument("--check", action="store_true", help="only say whether they are up to date")

    doctor = commands.add_parser(
        "doctor", help="show what this machine has, what each profile needs, and what to do about the difference"
    )
    doctor.add_argument("--torch", action="store_true", help="ask torch, too, whether it can use a GPU (takes seconds)")

    dvc = commands.add_parser("dvc", help="keep DVC and Snakemake in agreement")
    actions = dvc.add_subparsers(dest="action", required=True, metavar="ACTION")
    sync = actions.add_parser("sync", help="write dvc.yaml from the Snakemake graph")
    sync.add_argument("--check", action="store_true", help="write nothing; fail when the file does not match the graph")
    record = actions.add_parser("record", help="tell DVC what `snakemake` made; refuses while anything is stale")
    for action in (sync, record):
        action.add_argument("--profile", help=default_profile)

    export = commands.add_parser(
        "export", help="write predictions and answers in the official results formats, for other people's scorers"
    )
    predictions = export.add_subparsers(dest="kind", required=True, metavar="KIND").add_parser(
        "predictions",
        help="captions as COCO results, answers as VQA results",
        description="Write captions as COCO results [{image_id, caption}] and answers as VQA results "
        "[{question_id, answer}], one file for each run, test set and seed.",
    )
    predictions.add_argument("files", nargs="*", type=Path, metavar="FILE", help="predictions or answers")
    predictions.add_argument("--profile", help="all that this profile made (default without FILE: the default profile)")
    for name in FILTERS:
        metavar, kind = ("NUMBER", int) if name == "seed" else ("NAME", str)
        predictions.add_argument(f"--{name}", action="append", type=kind, metavar=metavar, help=f"only this {name}")
    predictions.add_argument(
        "--output", type=Path, required=True, metavar="PATH", help="a folder, or a file FILE.json for one result"
    )

    gap = commands.add_parser("gap", help="measure the modality gap of any CLIP on your own captions and images")
    gap.add_argument(
        "--model", required=True, metavar="NAME", help="an open_clip model, or a folder of one, also of this package"
    )
    gap.add_argument("--pretrained", metavar="TAG", help="with a model's name: its weights, a tag or a file")
    gap.add_argument(
        "--captions", type=Path, required=True, metavar="FILE", help="captions.jsonl, or a COCO captions file (.json)"
    )
    gap.add_argument("--images", type=Path, required=True, metavar="STORE", help="a folder or archive of their images")
    gap.add_argument(
        "--memory", type=Path, metavar="FILE", help="other captions, onto which DeCap's repair projects the images"
    )
    gap.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="for gap.json, tables/ and figures/")
    gap.add_argument("--profile", help="whose settings of generation and seed are used (default: those as released)")

    mirror = commands.add_parser("mirror", help="fetch all assets into a folder that serves machines without internet")
    mirror.add_argument("folder", type=Path, metavar="DIR")
    mirror.add_argument("assets", nargs="*", metavar="ASSET", help="names in the registry (default: all)")
    registry = Path("workflow/resources/assets.yaml")
    mirror.add_argument("--registry", type=Path, default=registry, metavar="FILE", help="default: %(default)s")

    trace = commands.add_parser("trace", help="show where a number, or any file, comes from")
    trace.add_argument("file", type=Path, metavar="FILE", help="a table in any of its forms, or any other result")
    trace.add_argument("place", nargs="*", metavar="LABEL", help="row label or labels, then the column")
    trace.add_argument("--pointer", metavar="POINTER", help="a value by its JSON pointer, such as /rows/0/cells/0")
    trace.add_argument("--all", action="store_true", help="every number of the table")
    trace.add_argument("--json", action="store_true", help="everything that is known, as JSON")
    trace.add_argument("--graph", type=Path, metavar="FILE", help="write the chain as a Mermaid graph, too (.mmd)")

    verify = commands.add_parser("verify", help="check that every file and number of a profile is what its records say")
    verify.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="ROOT|CRATE.zip", help="default: this folder"
    )
    verify.add_argument("--profile", help="default: the one of config/config.yaml, or of the crate")
    verify.add_argument("--rerun", type=_count, default=0, metavar="N", help="also run N jobs again and compare")
    verify.add_argument("--seed", type=int, default=0, help="draws the jobs to rerun (default: %(default)s)")
    verify.add_argument("--json", action="store_true", help="print JSON")

    if asked == "step":
        from .step import add_arguments

        add_arguments(commands.add_parser("step"))
    return whole
