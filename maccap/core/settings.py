"""Settings as typed, frozen objects, read from the dotted keys that a rule passes on."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from .errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of one training run; see the comments in the profile."""

    batch_size: int
    epochs: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    text_length: int
    noise_variance: float
    copies: int
    queries: int
    layers: int
    dropout: float
    memory_gain: float
    dropout_first_epoch_only: bool
    count_padding: bool
    precision: str
    log_every: int
    validate_every: int
    checkpoint_every: int


@dataclass(frozen=True)
class DecodingSettings:
    """How captions are made from image features."""

    batch_size: int
    beams: int
    max_new_tokens: int
    draws: int
    subregions: int
    patch_weight: float
    double_softmax: bool
    noise_variance: float
    rerank_characters: int
    clean: bool
    prompt: str
    clipscore_prompt: str


@dataclass(frozen=True)
class AnsweringSettings:
    """How questions are answered."""

    batch_size: int
    beams: int
    max_new_tokens: int
    length_penalty: float
    prompt: str


def section(cfg: dict[str, Any], name: str) -> dict[str, Any]:
    """The keys under one dotted name, without that name."""
    return {key.removeprefix(name + "."): value for key, value in cfg.items() if key.startswith(name + ".")}


def labels(cfg: dict[str, Any], kind: str) -> dict[str, str]:
    """{name: label} of the data sets, experiments or answerers whose labels are among the dotted keys."""
    return {
        key.removesuffix(".label"): str(value) for key, value in section(cfg, kind).items() if key.endswith(".label")
    }


def settings(kind: type[T], cfg: dict[str, Any], *sections: str) -> T:
    """Build a settings object from dotted keys; a later section overrides an earlier one.

    Raises:
        ConfigError: a key that no setting has, or a setting without a value.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name in sections:
        found = section(cfg, name)
        if unknown := sorted(set(found) - names):
            raise ConfigError(f"config key {name}.{unknown[0]} does not exist; known: {', '.join(sorted(names))}")
        values |= found
    required = {f.name for f in fields(kind) if f.default is MISSING}  # type: ignore[arg-type]
    if missing := sorted(required - set(values)):
        raise ConfigError(f"config key {sections[0]}.{missing[0]} is missing: add it to the profile's file in config/")
    return kind(**values)
