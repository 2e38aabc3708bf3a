"""What the page says of a run besides its numbers: settings, methods, environment, and what was not run."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.records import Records
from ..core.settings import section
from ..data.formats import format_of
from ..tables.table import Table

SECTIONS = ("scenes", "encoder", "language_model", "training", "generation", "selection", "answering")

Rows = list[list[str]]


def shown(value: Any) -> str:
    """A config value as people write it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return "(empty)" if value == "" else str(value)


def names(cfg: dict[str, Any], kind: str) -> list[str]:
    """The entries of a section of entries, such as `datasets`, in the config's order."""
    return list(dict.fromkeys(key.split(".")[0] for key in section(cfg, kind)))


def setting_tables(cfg: dict[str, Any]) -> dict[str, Rows]:
    """{section: [[key, value]]} of the plain settings."""
    found = {name: [[key, shown(value)] for key, value in section(cfg, name).items()] for name in SECTIONS}
    return {name: rows for name, rows in found.items() if rows}


def dataset_rows(cfg: dict[str, Any]) -> Rows:
    """Label, what it is, and its own settings of each data set."""
    rows = []
    for name in names(cfg, "datasets"):
        own = section(cfg, f"datasets.{name}")
        others = _listed({k: v for k, v in own.items() if k not in ("label", "format") and not k.startswith("size")})
        rows.append([str(own["label"]), format_of(own["format"]).description, others])
    return rows


def run_rows(cfg: dict[str, Any]) -> Rows:
    """Name, method and what differs from the profile's training settings of each trained run."""
    runs = {name: section(cfg, f"runs.{name}") for name in names(cfg, "runs")}
    return [
        [name, own["method"], _listed({k.removeprefix("training."): v for k, v in own.items() if k != "method"})]
        for name, own in runs.items()
    ]


def experiment_rows(cfg: dict[str, Any]) -> Rows:
    """Label, run and what differs from the profile's generation and selection settings of each experiment."""
    rows = []
    for name in names(cfg, "experiments"):
        own = section(cfg, f"experiments.{name}")
        origin = own.get("run") or ("published predictions" if section(own, "published") else "no training")
        differs = section(cfg, f"experiments.{name}.generation") | section(cfg, f"experiments.{name}.selection")
        differs |= {key: value for key, value in own.items() if key == "repeats"}
        rows.append([str(own["label"]), str(origin), _listed(differs)])
    return rows


def _listed(values: dict[str, Any]) -> str:
    return "; ".join(f"{key}: {shown(value)}" for key, value in values.items())


def method_texts(modules: Iterable[Path]) -> list[str]:
    """What each method does, in the words of its module."""
    texts = [ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) for module in modules]
    return [" ".join(text.split()) for text in texts if text]


def environment(files: Iterable[Path | str]) -> dict[str, Any]:
    """Python, packages and host classes of every job behind the files, without times: equal runs give equal values."""
    known = Records().behind(files)
    versions: dict[str, set[str]] = {}
    for record in known:
        for package, version in record.packages.items():
            versions.setdefault(package, set()).add(version)
    return {
        "pythons": sorted({record.python for record in known}),
        "packages": [[package, ", ".join(sorted(found))] for package, found in sorted(versions.items())],
        "hosts": sorted({_host(record.host) for record in known}),
        "records": len(known),
    }


def _host(host: dict[str, Any]) -> str:
    gpu = f", GPU {host['gpu']}" if "gpu" in host else ", no GPU used"
    return f"{host['system']} on {host['machine']}, {host['cores']} cores{gpu}"


def not_run(cfg: dict[str, Any], tables: Mapping[str, Table]) -> list[str]:
    """What is missing from the tables, and why: one sentence each."""
    missing = []
    if cfg["reduced"]:
        missing.append(
            "The paper's own data and models: this profile is marked “reduced”, so no number here is the paper's, and "
            "none counts as reproduced."
        )
    if "spice" not in cfg:
        missing.append("SPICE: the profile names no Stanford CoreNLP 3.6.0 (key “spice”), which SPICE needs.")
    if "reported" in tables:
        table = tables["reported"]
        left = [row for row in table.rows if row.cells[table.columns.index("reproduced")] is None]
        if left:
            missing.append(
                f"{len(left)} of {len(table.rows)} published numbers in “{table.title}”: their method, data or metric "
                "was not run here."
            )
    else:
        missing.append("A comparison with published numbers: the profile names no file of them (key “reported”).")
    return missing
