"""A payload as linked entities: a Workflow Run RO-Crate of the provenance run profile, with one action per job."""

from __future__ import annotations

import ast
import io
import mimetypes
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from rocrate.model import ContextEntity, Entity, File
from rocrate.rocrate import ROCrate

from ..core.artifacts import provenance_path
from ..core.records import Record
from ..fetch.registry import REGISTRY
from .crate_payload import Payload, PayloadFile
from .crate_values import RUN_SEED, Values, one

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
MEDIA_TYPES = {
    ".cff": "application/yaml", ".csv": "text/csv", ".jsonl": "application/jsonl", ".lock": "text/plain",
    ".md": "text/markdown", ".py": "text/x-python", ".smk": "text/x-python", ".tex": "text/x-tex",
    ".toml": "application/toml", ".yaml": "application/yaml", ".yml": "application/yaml", "": "text/plain",
}  # fmt: skip
WORKFLOW = "Snakefile"
WORKFLOW_TYPES = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
TOOL_TYPES = ["File", "SoftwareSourceCode"]
SNAKEMAKE = {"name": "Snakemake", "url": "https://snakemake.readthedocs.io"}
COMPLETED = "http://schema.org/CompletedActionStatus"
LEFT_OUT = "Not in this crate (too large, weights, or a download); hash and size are those of the recorded run."


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
    """The entities of one crate: its files, the steps of the workflow, and what is said of them."""

    def __init__(self, crate: ROCrate, payload: Payload) -> None:
        self.crate, self.payload, self.jobs = crate, payload, payload.jobs
        first = [outputs[0] for outputs in self.jobs]
        self.values = Values(crate, first)
        self.tools = {record.step: f"maccap/steps/{record.step.replace('-', '_')}.py" for record in first}
        self.registry: dict[str, Any] = yaml.safe_load(payload.source(str(REGISTRY)))
        self.files = {path: crate.add(self.file(file)) for path, file in payload.files.items()}
        for artifact in payload.records:
            self.files[str(provenance_path(artifact))]["about"] = self.files[artifact]
        self.steps = {step: self.step(step, position) for position, step in enumerate(self.tools, 1)}

    def file(self, file: PayloadFile) -> Entity:
        """A file of the crate, or the description of one that is left out."""
        about: dict[str, Any] = {"name": file.path, "sha256": file.sha256, "encodingFormat": _media_type(file.path)}
        if file.size is not None:
            about["contentSize"] = str(file.size)
        found = re.search(r"/s(\d+)[./]", file.path)
        if found and int(found[1]) in self.values.seeds:
            about["additionalProperty"] = self.values.value(RUN_SEED, int(found[1]))
        if file.content is None:
            about |= {"@type": "File", "description": LEFT_OUT, **self.asset(file.path)}
            return ContextEntity(self.crate, "#" + quote(file.path), about)
        if file.path == WORKFLOW:
            about["@type"] = WORKFLOW_TYPES
        elif file.path in self.tools.values():
            about["@type"] = TOOL_TYPES
        elif file.path == "README.md":
            about["about"] = self.crate.root_dataset
        content = io.BytesIO(file.content) if isinstance(file.content, bytes) else file.content
        return File(self.crate, content, file.path, properties=about)

    def asset(self, path: str) -> dict[str, Any]:
        """Licence, citation and addresses of a downloaded file."""
        record = self.payload.records.get(path)
        entry = self.registry.get(record.parameters.get("asset.name", "")) if record else None
        if not entry:
            return {}
        work = self.values.work
        about = {"license": work("licence", entry["licence"]), "citation": work("citation", entry["citation"])}
        return about | ({"url": one(entry["urls"])} if entry.get("urls") else {})

    def step(self, step: str, position: int) -> Entity:
        """The step of the workflow that a `maccap` command is, and its tool: the command's source file."""
        path = self.tools[step]
        summary = (ast.get_docstring(ast.parse(self.payload.source(path))) or step).splitlines()[0]
        own = [outputs[0] for outputs in self.jobs if outputs[0].step == step]
        python = "https://www.python.org/"
        about: dict[str, Any] = {
            "name": f"maccap {step}",
            "description": summary,
            "version": own[-1].code["package"],
            "programmingLanguage": self.values.once(python, "ComputerLanguage", name="Python", url=python),
        }
        if keys := self.values.inputs(own):
            about["input"] = one(keys)
        tool = _set(self.files[path], about)
        about = {"name": step, "description": summary, "position": str(position), "workExample": tool}
        return self.values.once(f"#step/{step}", "HowToStep", **about)

    def describe_workflow(self) -> None:
        """The Snakefile, its parameters, steps and tools."""
        once, profile = self.values.once, "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
        language = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
        about = {
            "name": "maccap",
            "version": self.jobs[-1][0].code["package"],
            "programmingLanguage": once(language, "ComputerLanguage", **SNAKEMAKE),
            "conformsTo": once(profile, "CreativeWork", name="Bioschemas ComputationalWorkflow profile 1.0"),
            "hasPart": one([self.files[path] for path in self.tools.values()]),
            "step": one(list(self.steps.values())),
        }
        if keys := self.values.inputs([outputs[0] for outputs in self.jobs]):
            about["input"] = one(keys)
        _set(self.files[WORKFLOW], about)

    def actions(self) -> list[Entity]:
        """The run of the workflow, the run of each job, and the engine that organised them."""
        once, records = self.values.once, self.payload.records
        read = {path for record in records.values() for path in record.inputs}
        values = {value.id: value for outputs in self.jobs for value in self.values.of_job(outputs[0])}
        run = once(
            "#run",
            "CreateAction",
            name=f"profile {self.payload.profile}",
            description=f"every job behind the results of the profile {self.payload.profile}",
            instrument=self.files[WORKFLOW],
            object=one([*(self.files[path] for path in sorted(read.difference(records))), *values.values()]),
            result=one([self.files[path] for path in self.payload.results]),
            startTime=min(record.started for record in records.values()),
            endTime=max(record.ended for record in records.values()),
            actionStatus=COMPLETED,
        )
        jobs, controls = [], []
        for number, outputs in enumerate(self.jobs, 1):
            step = self.steps[outputs[0].step]
            jobs.append(self.action(f"#job/{number}", outputs))
            about = {"name": f"job {number}: {step['name']}", "instrument": step, "object": jobs[-1]}
            controls.append(once(f"#control/{number}", "ControlAction", **about))
        version = self.jobs[-1][0].packages.get("snakemake")
        engine = once(
            "#engine", "SoftwareApplication", **SNAKEMAKE, **({"softwareVersion": version} if version else {})
        )
        about = {"name": "the jobs of the workflow", "instrument": engine, "object": one(controls), "result": run}
        return [run, *jobs, once("#organisation", "OrganizeAction", **about)]

    def action(self, identifier: str, outputs: list[Record]) -> Entity:
        """One job."""
        record = outputs[0]
        more = f" and {len(outputs) - 1} more" if len(outputs) > 1 else ""
        used = [*(self.files[path] for path in record.inputs), *self.values.of_job(record)]
        return self.values.once(
            identifier,
            "CreateAction",
            name=f"{record.step}: {record.artifact}{more}",
            description=record.command,
            instrument=self.files[self.tools[record.step]],
            **({"object": one(used)} if used else {}),
            result=one([self.files[output.artifact] for output in outputs]),
            startTime=record.started,
            endTime=max(output.ended for output in outputs),
            actionStatus=COMPLETED,
            additionalProperty=self.values.circumstances(record),
        )

    def describe_root(self, actions: list[Entity]) -> None:
        """The crate itself, and the profiles that it follows."""
        payload, once = self.payload, self.values.once
        cited = yaml.safe_load(payload.source("CITATION.cff"))
        licence = cited["license"]
        reduced = any(record.parameters.get("reduced") for record in payload.records.values())
        note = " Reduced data and models: none of its numbers counts as one of the paper's." if reduced else ""
        profiles = [
            once(address, "CreativeWork", name=name, version=address.rsplit("/", 1)[-1])
            for address, name in PROFILES.items()
        ]
        about = {
            "name": f"maccap, profile {payload.profile}: results and their past",
            "description": f"{cited['title']}. The results of the profile {payload.profile}, what is needed to compute "
            f"them again, and the record of every job behind them; `maccap verify` checks this crate.{note}",
            "datePublished": max(record.ended for record in payload.records.values()),
            "license": once(f"https://spdx.org/licenses/{licence}", "CreativeWork", name=f"{licence} License"),
            "author": one([self.author(author) for author in cited["authors"]]),
            "citation": one([self.reference(reference) for reference in cited["references"]]),
            "conformsTo": profiles,
            "mainEntity": self.files[WORKFLOW],
            "mentions": [*actions, *(self.files[path] for path, file in payload.files.items() if file.content is None)],
        }
        _set(self.crate.root_dataset, about)
        self.crate.metadata["conformsTo"] = [{"@id": self.crate.metadata.profile}, profiles[-1]]

    def author(self, author: dict[str, str]) -> Entity:
        """A person or an organisation of CITATION.cff."""
        kind = "Organization" if "name" in author else "Person"
        name = author.get("name") or f"{author['given-names']} {author['family-names']}"
        return self.values.once(f"#{quote(name)}", kind, name=name)

    def reference(self, reference: dict[str, Any]) -> Entity:
        """A paper of CITATION.cff."""
        about = {"name": reference["title"], "datePublished": str(reference["year"])}
        authors = one([self.author(author) for author in reference["authors"]])
        return self.values.once(f"https://doi.org/{reference['doi']}", "ScholarlyArticle", author=authors, **about)


def _set(entity: Entity, properties: dict[str, Any]) -> Entity:
    for name, value in properties.items():
        entity[name] = value
    return entity


def _media_type(path: str) -> str:
    suffix = Path(path).suffix
    return MEDIA_TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
