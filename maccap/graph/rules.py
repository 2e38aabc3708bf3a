"""What rules are written with: the settings of a job, its command, and constraints of wildcards."""

from collections.abc import Callable, Iterable
from typing import Any

from ..core.dotted import leaves

Wildcards = Any
Keys = str | Callable[[Wildcards], Iterable[str]]


def one_of(names: Iterable[str]) -> str:
    """A wildcard's constraint: one of some names, or nothing that any file is called."""
    return "|".join(names) or "none"


def step(name: str, *inputs: str) -> str:
    """Shell command of one step with its named inputs; the log keeps what it says."""
    named = " ".join(f"--input {i} {{input.{i}:q}}" for i in inputs)
    return f"python -m maccap step {name} {named} --output {{output}} --cfg {{params.cfg:q}} > {{log}} 2>&1"


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
