"""What is private to Snakemake: where it keeps what it remembers of each output, and a plan without a run."""

from base64 import urlsafe_b64encode
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.errors import EnvironmentProblem

PROVED = "9.27.1"
METADATA = Path(".snakemake/metadata")
LONGEST = 255  # characters of a file's name


def snakemake_record(output: Path | str) -> Path:
    """Snakemake's own record of an output, as `snakemake.persistence.file` names it; relative to the project."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    pieces = [name[begin : begin + LONGEST - 1] for begin in range(0, len(name), LONGEST - 1)]
    return METADATA.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def planned(workflow: Any, settings: Any) -> Any:
    """The workflow of Snakemake's API with its graph of jobs (`dag`), as the first steps of a run build it.

    Raises:
        EnvironmentProblem: this Snakemake plans by other names.
    """
    try:
        planner = workflow.dag(settings).workflow_api._workflow
        prepare, build = planner._prepare_dag, planner._build_dag
    except AttributeError as error:
        raise EnvironmentProblem(
            f"snakemake {version('snakemake')} plans by other names ({error}); this was proved with {PROVED}: install "
            "that version"
        ) from error
    prepare(forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True)
    build()
    return planner
