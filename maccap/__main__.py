"""`python -m maccap`, and the command `maccap`."""

from __future__ import annotations

import os
import sys

from .cli.main import main


def run() -> None:
    """Run the command line and end the process; taking an idle torch down would take another second."""
    try:
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has read enough
        os._exit(1)
    if "RANK" in os.environ:  # torch.distributed: several processes say goodbye to each other
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    run()
