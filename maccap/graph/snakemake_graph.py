"""The Snakemake graph of one profile as plain values: what each job reads, writes and depends on."""

import shlex
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.errors import READ_ONLY, ConfigError, EnvironmentProblem, flat
from ..core.project import config_files, default_profile
from ..core.records import record_path
from ..lineage.snakemake_private import planned, snakemake_record
from .rules import listed


@dataclass(frozen=True)
class GraphJob:
    """One Snakemake job; all paths are relative to the project's folder."""

    rule: str
    file: str  # of workflow/rules/ that has the rule, without its suffix
    step: str  # the step that it runs
    wildcards: list[str]
    inputs: list[str]
    code: str  # the step's source modules, and their hash; see `rules.step`
    outputs: list[str]
    named: dict[str, list[str]]  # the inputs that the step is given, by name
    settings: dict[str, Any]  # what the step is given besides
    command: str  # of the rule, with the parameters that are no settings: Snakemake reruns for their change, too
    records: list[str]  # Snakemake's own record of each output
    upstream: list[str] = field(default_factory=list)  # provenance records of the jobs that made the inputs
    stale: bool = False  # Snakemake would run it now (known only to a graph that was read with `stale`)

    @property
    def provenance(self) -> str:
        """The provenance record by which the jobs below name this one among their `upstream`."""
        return str(record_path(self.outputs[0]))


@dataclass(frozen=True)
class Graph:
    """All jobs of the default target, upstream first, and the config files that decide what it looks like."""

    jobs: list[GraphJob]
    configs: list[str]


def read_graph(profile: str, *, stale: bool = False) -> Graph:
    """Plan the default target of a profile, as `snakemake --dry-run` does; no job is run.

    Args:
        stale: find out which jobs Snakemake would run, too; that takes as long again as the plan.

    Raises:
        ConfigError: Snakemake cannot plan.
        OSError: it may not write into the project.
        EnvironmentProblem: another version of Snakemake, which plans by other names.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, StorageSettings
    from snakemake_interface_executor_plugins.settings import SharedFSUsage

    config = ConfigSettings(configfiles=[] if profile == default_profile() else config_files(profile)[-1:])
    triggers = RerunTrigger.all() if stale else frozenset({RerunTrigger.MTIME})
    as_in_default_profile = DAGSettings(max_checksum_file_size=10**12, force_incomplete=True, rerun_triggers=triggers)
    no_cache_at_home = StorageSettings(shared_fs_usage=SharedFSUsage.all() - {SharedFSUsage.SOURCE_CACHE})
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        try:
            workflow = api.workflow(ResourceSettings(), config, no_cache_at_home, snakefile=Path("Snakefile"))
            planner = planned(workflow, as_in_default_profile)  # the API offers planning only as part of a run
        except EnvironmentProblem:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in READ_ONLY:
                raise
            raise ConfigError(f"Snakemake cannot plan profile {profile}: {flat(error)}") from error
        configs = [str(Path(path).resolve().relative_to(Path.cwd())) for path in planner.configfiles]
        jobs = [
            _job(job, planner, stale)
            for level in planner.dag.toposorted()
            for job in sorted(level, key=lambda job: (job.rule.name, list(map(str, job.wildcards))))
            if not job.rule.norun
        ]
    return Graph(jobs, configs)


def _job(job: Any, planner: Any, stale: bool) -> GraphJob:
    outputs = [str(path) for path in job.output]
    words = shlex.split(job.params.inputs)
    named = [name for option, name in pairwise(words) if option == "--input"]
    others = {name: value for name, value in job.params.items() if name not in ("step", "inputs", "cfg", "code", "own")}
    return GraphJob(
        rule=job.rule.name,
        file=Path(job.rule.snakefile).stem,
        step=job.params.step.replace("-", "_"),
        wildcards=[str(value) for value in job.wildcards],
        inputs=sorted({str(path) for path in job.input}),
        code=job.params.code,
        outputs=outputs,
        named={name: listed(job.input[name]) for name in named},
        settings=dict(job.params.cfg),
        command=f"{job.rule.shellcmd} {job.params.step} {named} {others}",
        records=[str(snakemake_record(path)) for path in outputs],
        upstream=sorted({str(record_path(made.output[0])) for made in planner.dag.dependencies[job]}),
        stale=stale and planner.dag.needrun(job),
    )
