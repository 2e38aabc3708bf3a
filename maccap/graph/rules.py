"""What rules are written with: the step and the settings of a job, and constraints of wildcards."""

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..core.dotted import leaves
from ..core.records import MADE_IN
from ..data.folders import files_hash
from .sources import digest

KNOWN = Path(".snakemake/own.json")  # the hashes of own files
MADE = tuple(f"{folder}/" for folder in MADE_IN)

Wildcards = Any
Keys = str | Callable[[Wildcards], Iterable[str]]
Modules = Iterable[str] | Callable[[Wildcards], Iterable[str]]
Sources = Iterable[str | list[str] | Callable[[Wildcards], str | list[str]]]


def one_of(names: Iterable[str]) -> str:
    """A wildcard's constraint: one of some names, or nothing that any file is called."""
    return "|".join(map(re.escape, names)) or "none"


def step(name: str, reads: str = "", modules: Modules = (), own: Sources = ()) -> dict[str, Any]:
    """Parameters that say what the rule `step` runs.

    Args:
        name: a module of `maccap/steps/`.
        reads: names of the rule's inputs that the step is given, in one text; all that have a name by default.
        modules: those that the step imports by the names in its settings, such as `methods.maccap`.
        own: inputs that may be files of the user's own, as the rule has them.

    Returns:
        `step`, as the command line names it; `inputs`, the named inputs as its arguments; `code`, the names of the
        modules that it runs and a hash over them and all that they import: editing one of them reruns the step; with
        `own`, too, a hash over the user's own files among these, since one may be replaced by another that is older.
    """

    def arguments(wildcards: Wildcards, input: Any) -> str:
        named = {each: input[each] for each in reads.split() or input.keys()}
        return " ".join(shlex.join(["--input", each, *listed(files)]) for each, files in named.items())

    def code(wildcards: Wildcards) -> str:
        names = ("steps.runner", f"steps.{name}", *(modules(wildcards) if callable(modules) else modules))
        return " ".join([*names, digest(names)])

    def bytes_of_own(wildcards: Wildcards) -> str:
        files = [path for each in own for path in listed(each(wildcards) if callable(each) else each)]
        return files_hash((path for path in files if not path.startswith(MADE)), KNOWN)

    params = {"step": name.replace("_", "-"), "inputs": arguments, "code": code}
    return params | ({"own": bytes_of_own} if own else {})


def listed(files: Any) -> list[str]:
    """The files of a named input: one, several, or none."""
    return [str(path) for path in ([files] if isinstance(files, str) else files)]


def picker(config: dict[str, Any]) -> Callable[..., Callable[[Wildcards], dict[str, Any]]]:
    """`pick` for the rules of a config."""

    def pick(keys: Keys = "", optional: Keys = "", about: str = "", **values: Any) -> Callable[[Wildcards], Any]:
        """A params function giving {dotted config key: value}, and what the job is about.

        Snakemake tracks names, values and their order: that in which the keys are asked for has no part in it.

        Args:
            keys: config keys in one text, in which wildcards may stand, or a function of the wildcards that lists some.
            optional: the same for keys that may be absent.
            about: names of wildcards that say what the job is about.
            values: further settings, each a value or a function of the wildcards; None is left out.
        """

        def params(wildcards: Wildcards) -> dict[str, Any]:
            may_lack = set(_names(optional, wildcards))
            picked: dict[str, Any] = {}
            for name in sorted({*_names(keys, wildcards), *may_lack}):
                value = config
                for part in name.split("."):
                    if name in may_lack and part not in value:
                        break
                    value = value[part]
                else:
                    picked |= leaves(name, value)
            told = {name: value(wildcards) if callable(value) else value for name, value in values.items()}
            told = {name: value for name, value in told.items() if value is not None}
            return picked | {name: wildcards[name] for name in about.split()} | told

        return params

    return pick


def _names(keys: Keys, wildcards: Wildcards) -> Iterable[str]:
    return keys(wildcards) if callable(keys) else keys.format(**wildcards).split()
