"""Settings as linked entities: a formal parameter per dotted config key, a property value for each value it had."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from ..core.job import Job
from ..core.records import Record

TYPES = {bool: "Boolean", int: "Integer", float: "Float"}
RUN_SEED = "run.seed"


class Values:
    """The contextual entities of one crate; each is made once, when it is first asked for."""

    def __init__(self, crate: ROCrate, records: list[Record]) -> None:
        """
        Args:
            records: one of each job.
        """
        self.crate = crate
        self.seeds = {seed for record in records for seed in _run_seeds(record)}
        self.types: dict[str, set[str]] = {}
        for record in records:
            for key, value in parameters(record):
                self.types.setdefault(key, set()).add(TYPES.get(type(value), "Text"))

    def once(self, identifier: str, kind: str, **properties: Any) -> Entity:
        """The contextual entity of this identifier and type."""
        known = self.crate.get(identifier)
        return known or self.crate.add(ContextEntity(self.crate, identifier, {"@type": kind, **properties}))

    def work(self, kind: str, name: str, **properties: Any) -> Entity:
        """A creative work that has no address, such as a licence in words."""
        return self.once(f"#{kind}/{_digest(name)}", "CreativeWork", name=name, **properties)

    def parameter(self, key: str) -> Entity:
        """The formal parameter of a dotted config key, or of the seed of a single run."""
        about = {"description": "seed of one run: `seed` and its successors, one per repeat"} if key == RUN_SEED else {}
        profile = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
        return self.once(
            f"#parameter/{quote(key)}",
            "FormalParameter",
            name=key,
            additionalType=one(sorted(self.types[key])),
            conformsTo=self.once(profile, "CreativeWork", name="Bioschemas FormalParameter profile 1.0"),
            **about,
        )

    def value(self, key: str, value: Any) -> Entity:
        """What a formal parameter was set to; lists and null are written as JSON."""
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        return self.once(
            f"#value/{quote(key)}/{_digest(text)}",
            "PropertyValue",
            name=key,
            value=value if isinstance(value, (bool, int, float, str)) else text,
            exampleOfWork=self.parameter(key),
        )

    def of_job(self, record: Record) -> list[Entity]:
        return [self.value(key, value) for key, value in parameters(record)]

    def inputs(self, records: list[Record]) -> list[Entity]:
        """The formal parameters of some jobs."""
        return [self.parameter(key) for key in sorted({key for record in records for key, _ in parameters(record)})]

    def circumstances(self, record: Record) -> list[Entity]:
        """The kind of machine, the versions and the state of the code that a job ran with."""
        found = {f"host {key}": value for key, value in record.host.items()}
        found |= {"code commit": record.code["commit"], "code has uncommitted changes": record.code["dirty"]}
        found |= {"Python": record.python, **record.packages}
        return [
            self.once(
                f"#circumstance/{quote(key)}/{quote(str(value), safe='')}",
                "PropertyValue",
                name=key,
                value="unknown" if value is None else value,
            )
            for key, value in sorted(found.items())
        ]


def parameters(record: Record) -> list[tuple[str, Any]]:
    """The dotted keys of a job with their values, and the seed of each run in it."""
    return [*sorted(record.parameters.items()), *((RUN_SEED, seed) for seed in _run_seeds(record))]


def _run_seeds(record: Record) -> list[int]:
    return Job(cfg=record.parameters).seeds if {"seed", "repeats"} <= set(record.parameters) else []


def one(values: list[Any]) -> Any:
    """RO-Crate writes a list of one as its only element."""
    return values[0] if len(values) == 1 else values


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
