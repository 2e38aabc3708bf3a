"""A payload as linked entities: a Workflow Run RO-Crate of the provenance run profile, with one action per job."""

import ast
import hashlib
import io
import json
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from rocrate.model import ContextEntity, Entity, File
from rocrate.rocrate import ROCrate

from ..core.records import Record
from ..fetch.registry import REGISTRY
from .crate_files import CrateFile, Payload

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles"
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
MEDIA_TYPES = {
    ".cff": "application/yaml", ".csv": "text/csv", ".gz": "application/gzip", ".jsonl": "application/jsonl",
    ".lock": "text/plain", ".md": "text/markdown", ".py": "text/x-python", ".smk": "text/x-python",
    ".tex": "text/x-tex", ".toml": "application/toml", ".yaml": "application/yaml", ".yml": "application/yaml",
    "": "text/plain",
}  # fmt: skip
WORKFLOW = "Snakefile"
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
SNAKEMAKE = {"name": "Snakemake", "url": "https://snakemake.readthedocs.io"}
PYTHON = "https://www.python.org/"
SOFTWARE = ["File", "SoftwareSourceCode"]
COMPLETED = {"actionStatus": "http://schema.org/CompletedActionStatus"}
LEFT_OUT = "Not in this crate (too large, weights, or a download); hash and size are those of the recorded run."
TYPES = {bool: "Boolean", int: "Integer", float: "Float"}
RUN_SEED = "run_seed"


def describe(payload: Payload) -> ROCrate:
    """The crate of a payload, ready to be written; the same payload gives the same entities in the same order.

    Raises:
        DataError: the recorded commit lacks a source file that the crate must name.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(TERMS)
    description = _Description(crate, payload)
    description.describe_workflow()
    description.describe_root(description.actions())
    return crate


class _Description:
    """The entities of one crate; each is made once, when it is first asked for."""

    def __init__(self, crate: ROCrate, payload: Payload) -> None:
        self.crate, self.payload, self.jobs = crate, payload, payload.jobs
        self.types: dict[str, set[str]] = {}
        for key, value in (pair for record in self.jobs for pair in _settings(record)):
            self.types.setdefault(key, set()).add(TYPES.get(type(value), "Text"))
        self.tools = {record.step: f"maccap/steps/{record.step}.py" for record in self.jobs}
        self.registry: dict[str, Any] = yaml.safe_load(payload.source(str(REGISTRY)))
        self.files = {path: crate.add(self.file(file)) for path, file in payload.files.items()}
        for record in self.jobs:
            self.files[record.path]["about"] = self.listed(record.outputs)
        self.steps = {step: self.step(step, position) for position, step in enumerate(self.tools, 1)}

    def once(self, identifier: str, kind: str, **properties: Any) -> Entity:
        """The contextual entity of this identifier and type."""
        known = self.crate.get(identifier)
        return known or self.crate.add(ContextEntity(self.crate, identifier, {"@type": kind, **properties}))

    def work(self, identifier: str, name: str, **properties: Any) -> Entity:
        return self.once(identifier, "CreativeWork", name=name, **properties)

    def listed(self, paths: Iterable[str]) -> Any:
        return _one([self.files[path] for path in paths])

    def file(self, file: CrateFile) -> Entity:
        """A file of the crate, or the description of one that is left out."""
        kind = (
            MEDIA_TYPES.get(Path(file.path).suffix) or mimetypes.guess_type(file.path)[0] or "application/octet-stream"
        )
        about: dict[str, Any] = {"name": file.path, "sha256": file.sha256, "encodingFormat": kind}
        if file.size is not None:
            about["contentSize"] = str(file.size)
        if file.content is None:
            about |= {"@type": "File", "description": LEFT_OUT, **self.asset(file.path)}
            return ContextEntity(self.crate, "#" + quote(file.path), about)
        if file.path == WORKFLOW:
            about["@type"] = [*SOFTWARE, "ComputationalWorkflow", "HowTo"]
        elif file.path in self.tools.values():
            about["@type"] = SOFTWARE
        elif file.path == "README.md":
            about["about"] = self.crate.root_dataset
        content = io.BytesIO(file.content) if isinstance(file.content, bytes) else file.content
        return File(self.crate, content, file.path, properties=about)

    def asset(self, path: str) -> dict[str, Any]:
        """Licence, citation and addresses of a downloaded file."""
        record = self.payload.outputs.get(path)
        entry = self.registry.get(record.settings.get("asset.name", "")) if record else None
        if not entry:
            return {}
        kinds = {"license": "licence", "citation": "citation"}
        about = {key: self.work(f"#{kind}/{_digest(entry[kind])}", entry[kind]) for key, kind in kinds.items()}
        return about | ({"url": _one(entry["urls"])} if entry.get("urls") else {})

    def parameter(self, key: str) -> Entity:
        """The formal parameter of a dotted config key, or of the seed of a single run."""
        about = {"description": "seed of one run: `seed` and its successors, one per repeat"} if key == RUN_SEED else {}
        about |= {"name": key, "additionalType": _one(sorted(self.types[key]))}
        profile = self.work(f"{BIOSCHEMAS}/FormalParameter/1.0-RELEASE", "Bioschemas FormalParameter profile 1.0")
        return self.once(f"#parameter/{quote(key)}", "FormalParameter", conformsTo=profile, **about)

    def parameters(self, records: list[Record]) -> dict[str, Any]:
        """The formal parameters of some jobs."""
        keys = sorted({key for record in records for key, _ in _settings(record)})
        return {"input": _one([self.parameter(key) for key in keys])} if keys else {}

    def values(self, record: Record) -> list[Entity]:
        """What a job's formal parameters were set to; lists and null are written as JSON."""
        found = []
        for key, value in _settings(record):
            text = json.dumps(value, ensure_ascii=False, sort_keys=True)
            about = {"name": key, "value": value if isinstance(value, (bool, int, float, str)) else text}
            about["exampleOfWork"] = self.parameter(key)
            found.append(self.once(f"#value/{quote(key)}/{_digest(text)}", "PropertyValue", **about))
        return found

    def circumstances(self, record: Record) -> list[Entity]:
        """The kind of machine, the versions and the state of the code that a job ran with."""
        found = {f"host {key}": value for key, value in record.host.items()}
        found |= {"code commit": record.code.commit, "code has uncommitted changes": record.code.dirty}
        found |= {"Python": record.python, **record.packages}
        named = {key: "unknown" if value is None else value for key, value in sorted(found.items())}
        return [
            self.once(
                f"#circumstance/{quote(key)}/{quote(str(value), safe='')}", "PropertyValue", name=key, value=value
            )
            for key, value in named.items()
        ]

    def step(self, step: str, position: int) -> Entity:
        """The step of the workflow that a job ran, and its tool: the step's source file."""
        path = self.tools[step]
        summary = (ast.get_docstring(ast.parse(self.payload.source(path))) or step).splitlines()[0]
        own = [record for record in self.jobs if record.step == step]
        about = {"name": f"maccap step {step}", "description": summary, "version": own[-1].code.package}
        about["programmingLanguage"] = self.once(PYTHON, "ComputerLanguage", name="Python", url=PYTHON)
        tool = _set(self.files[path], about | self.parameters(own))
        about = {"name": step, "description": summary, "position": str(position), "workExample": tool}
        return self.once(f"#step/{step}", "HowToStep", **about)

    def describe_workflow(self) -> None:
        """The Snakefile, its parameters, steps and tools."""
        profile = f"{BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"
        about = {
            "name": "maccap",
            "version": self.jobs[-1].code.package,
            "programmingLanguage": self.once(LANGUAGE, "ComputerLanguage", **SNAKEMAKE),
            "conformsTo": self.work(profile, "Bioschemas ComputationalWorkflow profile 1.0"),
            "hasPart": self.listed(self.tools.values()),
            "step": _one(list(self.steps.values())),
        }
        _set(self.files[WORKFLOW], about | self.parameters(self.jobs))

    def actions(self) -> list[Entity]:
        """The run of the workflow, the run of each job, and the engine that organised them."""
        payload = self.payload
        read = sorted({path for record in self.jobs for path in record.sources}.difference(payload.outputs))
        values = {value.id: value for record in self.jobs for value in self.values(record)}
        about = {
            "name": f"profile {payload.profile}",
            "description": f"every job behind the results of the profile {payload.profile}",
            "instrument": self.files[WORKFLOW],
            "object": _one([*(self.files[path] for path in read), *values.values()]),
            "result": self.listed(payload.results),
            "startTime": min(record.started for record in self.jobs).isoformat(),
            "endTime": max(record.ended for record in self.jobs).isoformat(),
        }
        run = self.once("#run", "CreateAction", **about, **COMPLETED)
        jobs, controls = [], []
        for number, record in enumerate(self.jobs, 1):
            jobs.append(self.action(f"#job/{number}", record))
            about = {"name": f"job {number}: {record.step}", "instrument": self.steps[record.step], "object": jobs[-1]}
            controls.append(self.once(f"#control/{number}", "ControlAction", **about))
        version = self.jobs[-1].packages.get("snakemake")
        versions = {"softwareVersion": version} if version else {}
        engine = self.once("#engine", "SoftwareApplication", **SNAKEMAKE, **versions)
        about = {"name": "the jobs of the workflow", "instrument": engine, "object": _one(controls), "result": run}
        return [run, *jobs, self.once("#organisation", "OrganizeAction", **about)]

    def action(self, identifier: str, record: Record) -> Entity:
        """One job."""
        outputs = list(record.outputs)
        more = f" and {len(outputs) - 1} more" if len(outputs) > 1 else ""
        used = [*(self.files[path] for path in record.sources), *self.values(record)]
        about = {
            "name": f"{record.step}: {outputs[0]}{more}",
            "description": record.command,
            "instrument": self.files[self.tools[record.step]],
            **({"object": _one(used)} if used else {}),
            "result": self.listed(outputs),
            "startTime": record.started.isoformat(),
            "endTime": record.ended.isoformat(),
            "additionalProperty": self.circumstances(record),
        }
        return self.once(identifier, "CreateAction", **about, **COMPLETED)

    def describe_root(self, actions: list[Entity]) -> None:
        """The crate itself, and the profiles that it follows."""
        payload, cited = self.payload, yaml.safe_load(self.payload.source("CITATION.cff"))
        licence = cited["license"]
        reduced = any(record.settings.get("reduced") for record in self.jobs)
        note = " Reduced data and models: none of its numbers counts as one of the paper's." if reduced else ""
        profiles = [self.work(url, name, version=url.rsplit("/", 1)[-1]) for url, name in PROFILES.items()]
        left_out = [self.files[path] for path, file in payload.files.items() if file.content is None]
        about = {
            "name": f"maccap, profile {payload.profile}: results and their provenance",
            "description": f"{cited['title']}. The results of the profile {payload.profile}, what is needed to compute "
            f"them again, and the record of every job behind them; `maccap verify` checks this crate.{note}",
            "datePublished": max(record.ended for record in self.jobs).isoformat(),
            "license": self.work(f"https://spdx.org/licenses/{licence}", f"{licence} License"),
            "author": self.authors(cited["authors"]),
            "citation": _one([self.reference(reference) for reference in cited["references"]]),
            "conformsTo": profiles,
            "mainEntity": self.files[WORKFLOW],
            "mentions": [*actions, *left_out],
        }
        _set(self.crate.root_dataset, about)
        self.crate.metadata["conformsTo"] = [{"@id": self.crate.metadata.profile}, profiles[-1]]

    def authors(self, authors: list[dict[str, str]]) -> Any:
        """Persons and organisations of CITATION.cff."""
        kinds = [(one.get("name") or f"{one['given-names']} {one['family-names']}", "name" in one) for one in authors]
        return _one([self.once(f"#{quote(name)}", "Organization" if o else "Person", name=name) for name, o in kinds])

    def reference(self, reference: dict[str, Any]) -> Entity:
        """A paper of CITATION.cff."""
        about = {"name": reference["title"], "datePublished": str(reference["year"])}
        about["author"] = self.authors(reference["authors"])
        return self.once(f"https://doi.org/{reference['doi']}", "ScholarlyArticle", **about)


def _settings(record: Record) -> list[tuple[str, Any]]:
    """The dotted keys of a job with their values, and the seed of each run in it."""
    return [*sorted(record.settings.items()), *((RUN_SEED, seed) for seed in record.seeds)]


def _one(values: list[Any]) -> Any:
    """RO-Crate writes a list of one as its only element."""
    return values[0] if len(values) == 1 else values


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _set(entity: Entity, properties: dict[str, Any]) -> Entity:
    for name, value in properties.items():
        entity[name] = value
    return entity
