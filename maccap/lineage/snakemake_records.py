"""Where Snakemake keeps what it remembers of each output."""

from base64 import urlsafe_b64encode
from pathlib import Path

METADATA = Path(".snakemake/metadata")
LONGEST = 255  # characters of a file's name


def snakemake_record(output: Path | str) -> Path:
    """Snakemake's own record of an output, as `snakemake.persistence.file` names it; relative to the project."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    pieces = [name[begin : begin + LONGEST - 1] for begin in range(0, len(name), LONGEST - 1)]
    return METADATA.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])
