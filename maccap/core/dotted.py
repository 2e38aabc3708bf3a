"""Dotted config keys: `training.batch_size` for `{"training": {"batch_size": 8}}`."""

from typing import Any


def leaves(prefix: str, value: Any) -> dict[str, Any]:
    """{dotted key: value} of everything below a config value; the value itself under `prefix` if it has no keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    parts = {f"{prefix}.{name}" if prefix else name: part for name, part in value.items()}
    return {key: leaf for name, part in parts.items() for key, leaf in leaves(name, part).items()}
