"""A trained run of one seed -> `run.json`: everything that is needed to use it elsewhere.

It is a job of its own so that changed settings of generation, selection or answering train nothing again.
"""

from ..core.artifacts import write_json
from ..core.job import Job
from ..core.settings import section
from ..training.run_file import MemoryFiles, describe_run


def run(job: Job) -> None:
    settings = {name: section(job.settings, name) for name in ("generation", "selection", "answering")}
    models = {name: job.folder(f"{name}_files") for name in ("encoder", "language_model")}
    memory = None
    if job.inputs.get("memory"):
        features = [path.as_posix() for path in job.inputs["memory"]]
        memory = MemoryFiles(features=features, captions=job.input("memory_captions").as_posix())
    pairs = job.input("pairs") if job.inputs.get("pairs") else None
    run_file = describe_run(job.input("weights"), job.input("log"), settings, models, memory=memory, pairs=pairs)
    write_json(job.outputs[0], run_file.model_dump(exclude_unset=True))
