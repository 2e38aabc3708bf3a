"""A language model from the hub, from downloaded files or from a .gguf file -> one transformers folder.

The outputs are the folder's `index.json` and five files. Where the job has an input `source`, it is the .gguf file or
the files of a downloaded folder, and `language_model.name` is not looked up.
"""

from ..core.artifacts import write_index
from ..core.errors import ConfigError
from ..core.job import Job
from ..models.language_model import load_language_model, save_language_model


def run(job: Job) -> None:
    name = job.settings["language_model.name"]
    if source := job.inputs.get("source"):
        folders = {path.parent for path in source}
        if len(folders) > 1:
            raise ConfigError(f"the files of language model {name!r} lie in {len(folders)} folders: put them into one")
        name = str(source[0] if source[0].suffix == ".gguf" else folders.pop())
    save_language_model(load_language_model(name, dtype=job.settings["language_model.dtype"]), job.outputs[0].parent)
    write_index(job.outputs)
