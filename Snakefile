import os
import shutil
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Before anything is included, as Snakemake copies that there.
TEMPORARY = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())  # `tempfile` passes over a TMPDIR that is full
if TEMPORARY.is_dir() and shutil.disk_usage(TEMPORARY).free < 1_000_000:
    raise WorkflowError(f"{TEMPORARY}: is full; free space there, or set TMPDIR to a larger folder")


# The workflow is workflow/Snakefile. An included file does not set the default target, so it is named here.
include: "workflow/Snakefile"


workflow.default_target = "all"
