"""The schema that Snakemake checks and the page docs/config.md, both made from `core.settings.Config`.

`make schema` writes them; a test fails when they are stale.
"""

import json
from pathlib import Path
from typing import Any

from ..core.artifacts import write_text
from ..core.settings import Config

SCHEMA = Path("workflow/schemas/config.schema.json")
PAGE = Path("docs/config.md")
HEAD = """# Configuration

A profile is merged from `config/config.yaml`, which names it, `config/base.yaml`, which holds what all profiles share,
and its own file, such as `config/world.yaml`; a profile that extends another (`config/mini.yaml` says `extends: world`)
comes behind that one's file. A later file overrides an earlier one key by key; `NAME: null` takes an entry out.
Defaults are the settings of the released code. An unknown key, a missing one or a wrong value stops `snakemake` before
anything runs; so does a number other than 0 that is below 1e-15 or above 1e15 in size. `make schema` writes this page.
"""
EMPTY = {"": '`""`', "[]": "none", "{}": "none"}


def schema() -> dict[str, Any]:
    """The JSON schema of a profile, without what pydantic adds for other readers."""
    found: dict[str, Any] = _plain(Config.model_json_schema())
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return about | {"$comment": "Made from maccap/core/settings.py by `make schema`."} | found


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "anyOf" in value and {"type": "null"} in value["anyOf"]:
        kept = [part for part in value["anyOf"] if part != {"type": "null"}]
        value = {key: part for key, part in value.items() if key not in ("anyOf", "default")} | kept[0]
    if "patternProperties" in value:
        value = value | {"additionalProperties": False}
    names = {"properties", "patternProperties", "$defs"}
    return {
        key: {name: _plain(part) for name, part in below.items()} if key in names else _plain(below)
        for key, below in value.items()
        if key != "title" and not (key == "default" and isinstance(below, dict))
    }


def schema_text() -> str:
    """The schema's file: JSON, which every call of Snakemake reads much faster than YAML."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def page_text() -> str:
    """docs/config.md: a table of the keys at the top, and one of each kind of section."""
    whole = schema()
    kinds, told = whole["$defs"], set[str]()
    lines = [HEAD, *_table(whole, kinds)]
    for name, about in whole["properties"].items():
        lines += _section(name, about, kinds, told, depth=2)
    return "\n".join(lines) + "\n"


def _section(name: str, about: dict[str, Any], kinds: dict[str, Any], told: set[str], depth: int) -> list[str]:
    """A section's keys, and those of the sections in it; a kind of section that was told is not told again."""
    below = _entries(about) or about
    kind = _kind(below)
    if not kind or kind.endswith("Changes") or kind in told:
        return []
    told.add(kind)
    title = name if below is about else f"{name}.NAME"
    keys = kinds[kind]["properties"]
    lines = ["", f"{'#' * depth} `{title}`", "", kinds[kind]["description"], "", *_table(kinds[kind], kinds)]
    return lines + [line for key in keys for line in _section(f"{title}.{key}", keys[key], kinds, told, depth + 1)]


def _kind(about: dict[str, Any]) -> str:
    """The name of the model of a section."""
    return about.get("$ref", "").rpartition("/")[2]


def _entries(about: dict[str, Any]) -> dict[str, Any] | None:
    """What the entries of a section with names of the user's own are; None for other sections."""
    own = [about.get("additionalProperties"), *about.get("patternProperties", {}).values()]
    return next((kind for kind in own if isinstance(kind, dict)), None)


def _table(section: dict[str, Any], kinds: dict[str, Any]) -> list[str]:
    lines = ["| key | type | default | unit | meaning |", "|---|---|---|---|---|"]
    for name, about in section["properties"].items():
        default = "required" if name in section.get("required", []) else _default(about)
        meaning = about.get("description") or kinds[_kind(about)]["description"]
        lines.append(f"| {' | '.join([f'`{name}`', _type(about), default, about.get('unit', ''), meaning])} |")
    return lines


def _default(about: dict[str, Any]) -> str:
    if "default" not in about:
        return "none" if "$ref" not in about else ""
    value = about["default"]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return EMPTY.get(str(value), f"`{value}`")


def _type(about: dict[str, Any]) -> str:
    if kind := _kind(about):
        name = kind.removesuffix("Changes").removesuffix("Settings")
        return f"some keys of `{name.lower()}`" if kind.endswith("Changes") else "section"
    if "anyOf" in about:
        return " or ".join(map(_type, about["anyOf"]))
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    plain = {"boolean": "true or false", "string": "text"}.get(about["type"], about["type"])
    if plain == "object":
        return f"{_type(_entries(about) or {'type': 'anything'})} by name"
    if plain == "array":
        return f"list of {_type(about['items'])}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    told = [f"{sign} {about[name]}" for name, sign in bounds.items() if name in about]
    return " ".join([plain, ", ".join(told)]).strip()


def main() -> None:
    write_text(SCHEMA, schema_text())
    write_text(PAGE, page_text())


if __name__ == "__main__":
    main()
