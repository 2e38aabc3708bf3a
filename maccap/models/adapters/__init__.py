"""Private names of other libraries, one module per library: nothing else in `maccap.models` uses one."""

from __future__ import annotations

from importlib.metadata import version

from ...core.errors import EnvironmentProblem


def missing(library: str, name: str, proved: str) -> EnvironmentProblem:
    """The error for a private name that the installed library does not have."""
    return EnvironmentProblem(
        f"{library} {version(library)} has no {name}; it was proved with {library} {proved}: install that version, or "
        "set MACCAP_PLAIN=1, which does without"
    )
