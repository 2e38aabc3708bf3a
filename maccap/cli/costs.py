"""What a profile costs: for `maccap doctor`, and the page docs/costs.md."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.project import read_config
from ..core.records import MADE_IN, Records
from ..fetch.registry import DOWNLOADS, Asset, read_registry
from ..graph.estimate import ASSUMED, Estimate, estimate, missing_assets, used_assets
from ..graph.profile import Profile

SMALL_PROFILE = 500_000_000  # bytes; artifacts and results of the embedded world take four fifths of that
NOTHING = Path("nothing is downloaded yet")
SHOWN = ("mini", "world", "paper")
HEAD = """# What a profile costs

Of everything that `snakemake --cores all` makes of a profile, from nothing. `maccap doctor` says what is still
needed on your machine. `maccap docs` writes this page.

"""
COLUMNS = (
    "profile", "download", "disk", "GPU hours, as many as hours on one GPU (estimate)", "hours on four GPUs (estimate)",
    "hours of all jobs (measured)",
)  # fmt: skip
FOOT = f"""
GPU hours are estimated from operation counts, assuming {ASSUMED}:
about a tenth and a third of an H100's peak. Nobody has measured them yet. They leave out downloads and what runs on
processors, such as METEOR and SPICE. Of four GPUs each is taken to have a job always, and no job is split. Disk is for
downloads and features, or, of the embedded world, for everything.

The last column adds up the times of all jobs, on one core each, by the records in git; other work on the machine makes
them longer. `mini` and `world` need no GPU; README says how long they take on two cores of their own.
"""


@dataclass(frozen=True)
class Costs:
    """What a profile costs, besides time.

    Attributes:
        assets: the registry.
        missing: bytes of what is still to be downloaded; None if unknown.
        to_ask: where to ask for what the user supplies.
        expected: None where the profile states no sizes, as the embedded world.
        disk: bytes.
    """

    config: dict[str, Any]
    assets: dict[str, Asset]
    missing: dict[str, int | None]
    to_ask: dict[str, str | None]
    expected: Estimate | None
    disk: int


def costs(name: str, downloads: Path = DOWNLOADS) -> Costs:
    """What a profile of `config/` costs, less what lies in the folder of downloads.

    Raises:
        ConfigError: there is no such profile, or it breaks the rules.
    """
    config = read_config(name)
    profile = Profile(config)
    assets = read_registry(config["registry"]) if "registry" in config else {}
    missing, to_ask = missing_assets(profile, assets, used_assets(config, assets), downloads)
    expected = estimate(profile, missing) if "estimate" in config else None
    disk = expected.download_bytes + expected.feature_bytes if expected else SMALL_PROFILE
    return Costs(config, assets, missing, to_ask, expected, disk)


def job_hours(profile: str, records: Records, *, tracked: bool = False) -> float:
    """The sum of the times of a profile's jobs by their records, or only by those in git; 0 where there are none."""
    folders = tuple(f"{folder}/{profile}/" for folder in MADE_IN)
    known = {path: record for path, record in records.by_path.items() if path.startswith(folders)}
    jobs = [record for path, record in known.items() if not tracked or path in records.tracked]
    return sum((record.ended - record.started).total_seconds() for record in jobs) / 3600


def costs_page() -> str:
    """The page: a row for each profile of this repository."""
    records = Records()
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for name in SHOWN:
        needed = costs(name, NOTHING)
        if expected := needed.expected:
            download = download_size(expected)
            download += f"; you supply {', '.join(needed.to_ask)}" if needed.to_ask else ""
            times = [f"{seconds / 3600:,.0f} h" for seconds in map(expected.wall_seconds, (1, 4))]
        else:
            download, times = "nothing", ["none"] * 2
        hours = job_hours(name, records, tracked=True)
        measured = f"{hours:.1f} h" if hours else "no records"
        rows.append((f"`{name}`", download, gigabytes(needed.disk), *times, measured))
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) + FOOT


def download_size(expected: Estimate) -> str:
    """What is to be downloaded, in words."""
    unknown = len(expected.of_unknown_size)
    files = f" and {unknown} file{'s' if unknown > 1 else ''} of unknown size" if unknown else ""
    return gigabytes(expected.download_bytes) + files


def gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
