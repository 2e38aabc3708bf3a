"""`maccap crate`: the results of a profile with their provenance as a Workflow Run RO-Crate, zipped or in a folder."""

import argparse
import tempfile
import zipfile
from pathlib import Path

from ..core.artifacts import atomic, files_below, spare, write_text
from ..core.errors import ConfigError
from ..core.project import default_profile
from .crate_files import LIST, collect, listing

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold


def run(parsed: argparse.Namespace) -> None:
    """Run the parsed command."""
    profile = parsed.profile or default_profile()
    output = parsed.output or Path(f"results/{profile}/crate.zip")
    write_crate(profile, output)
    print(f"{output}: written; `maccap verify {output}` checks it")


def write_crate(profile: str, output: Path) -> None:
    """Write the crate of a profile of the current folder; equal results give equal bytes.

    Raises:
        ConfigError: the output is a folder that exists already.
        DataError: the results are not whole, or have changed since their jobs wrote them.
        EnvironmentProblem: git does not have the commit that made them, or the disk is full.
    """
    from .crate_entities import describe

    if output.suffix != ".zip" and output.exists():
        raise ConfigError(f"{output}: exists already; remove it or name another folder")
    payload = collect(profile)
    spare(map(Path, payload.files), [output])
    output.parent.mkdir(parents=True, exist_ok=True)
    crate = describe(payload)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as temporary:
        folder = Path(temporary) / "crate"
        crate.write(folder)
        write_text(folder / LIST, listing(folder))
        if output.suffix == ".zip":
            _zip(folder, output)
        else:
            folder.rename(output)


def _zip(folder: Path, output: Path) -> None:
    """A zip whose bytes depend on nothing but the files: sorted names, one fixed time, no permissions."""
    with atomic(output) as part, zipfile.ZipFile(part, "w") as archive:
        for name, path in files_below(folder).items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
