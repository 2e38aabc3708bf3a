"""Which files of published results are rightly not here."""

from functools import cache

from ..core.records import Records, git


@cache
def absent(records: Records) -> dict[str, str]:
    """{path: sha256} of outputs that git need not have: it tracks the record of their job, and does not publish them.

    What is not published is marked `-published` in `.gitattributes`; where nothing is said of a file, it is missed.
    """
    missing = records.absent
    if not missing:
        return {}
    given = "".join(f"{name}\0" for name in missing)
    told = git(records.root, "check-attr", "-z", "--stdin", "published", given=given).split("\0")
    left_out = {name for name, value in zip(told[::3], told[2::3], strict=False) if value == "unset"}
    return {name: digest for name, digest in missing.items() if name in left_out}
