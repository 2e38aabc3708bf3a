"""Dotted config keys: `training.batch_size` for `{"training": {"batch_size": 8}}`."""

from typing import Any


def leaves(prefix: str, value: Any) -> dict[str, Any]:
    """{dotted key: value} of everything below a config value; the value itself under `prefix` if it has no keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {key: leaf for name, part in value.items() for key, leaf in leaves(_join(prefix, name), part).items()}


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
