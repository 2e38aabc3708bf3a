"""`python -m maccap`, and the command `maccap`."""

import codecs
import os
import signal
import stat
import sys

interrupts: list[int] = []
PLAIN = dict(zip("─│├└·±−→“”…", ("-", "|", "|", "`", "-", "+-", "-", "->", '"', '"', "..."), strict=True))


def run() -> None:
    """Run the command line and end the process; taking an idle torch down would take another second.

    Everything that takes time to import is imported here, so that Ctrl-C is one line from the start.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from .cli.main import FAILED, main
        from .core.errors import refusal

        codecs.register_error("plain", _plain)
        sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="plain")  # type: ignore[union-attr]
        code = main()
        sys.stdout.flush()
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
            os._exit(1)  # whoever read the output, such as `head`, has read enough
        print(f"maccap: the output: {refusal(error)}", file=sys.stderr)
        code = FAILED
    except (Exception, KeyboardInterrupt):
        if not interrupts:
            raise
        print(f"{' '.join(['maccap', *sys.argv[1:2]])}: interrupted", file=sys.stderr)
        code = 128 + signal.SIGINT
    sys.stderr.flush()
    if "RANK" in os.environ:  # torch.distributed: several processes say goodbye to each other
        sys.exit(code)
    os._exit(code)


def _interrupt(number: int, frame: object) -> None:
    """As Python's own, and noted: a library that is being imported may end with another error."""
    interrupts.append(number)
    raise KeyboardInterrupt


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that the terminal or pipe cannot show: plain lines, or JSON's escapes."""
    import json

    assert isinstance(error, UnicodeEncodeError)
    odd = error.object[error.start : error.end]
    return "".join(PLAIN.get(character) or json.dumps(character)[1:-1] for character in odd), error.end


if __name__ == "__main__":
    run()
