"""How a model of transformers computes attention: it can be set by a public name, but only read by a private one."""

from __future__ import annotations

from typing import Any

from . import missing

PROVED = "5.23.0"


def attention_implementation(model: Any) -> str:
    """The name that `model.set_attn_implementation` takes, such as "sdpa".

    Raises:
        EnvironmentProblem: this transformers keeps it elsewhere.
    """
    found = getattr(model.config, "_attn_implementation", None)
    if found is None:
        raise missing("transformers", "config._attn_implementation", PROVED)
    return found
