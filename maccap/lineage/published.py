"""Which files of published results are rightly not here."""

from functools import cache

from ..core.records import MADE_IN, Records, git


@cache
def absent(records: Records) -> dict[str, str]:
    """{path: sha256} of outputs that git need not have: it tracks the record of their job, and does not publish them.

    What is not published is marked `-published` in `.gitattributes`; where nothing is said of a file, it is missed, and
    so is what git had once the job had run.
    """
    missing = records.absent
    if not missing:
        return {}
    given = "".join(f"{name}\0" for name in missing)
    told = git(records.root, "check-attr", "-z", "--stdin", "published", given=given).split("\0")
    left_out = {name for name, value in zip(told[::3], told[2::3], strict=False) if value == "unset"}
    return {name: digest for name, digest in missing.items() if name in left_out - removed(records)}


@cache
def removed(records: Records) -> frozenset[str]:
    """Missing outputs that a commit has removed since their job ran; none in a clone without history."""
    gone: set[str] = set()
    for commit in {records.by_output[name].code.commit for name in records.absent} - {None}:
        removals = ["--format=", "--name-only", "--diff-filter=D", "--no-renames", "--relative", "-z"]
        names = git(records.root, "log", *removals, f"{commit}..HEAD", "--", *MADE_IN).split("\0")
        gone |= {name for name in names if name in records.absent and records.by_output[name].code.commit == commit}
    return frozenset(gone)
