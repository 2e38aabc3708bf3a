"""The images that a test split needs, out of a folder or an archive -> one zip of theirs alone."""

from pathlib import Path

from ..core.job import Job
from ..data.captions import read_images_table
from ..data.images import pack_images


def run(job: Job) -> None:
    store = job.input("store") if job.inputs.get("store") else Path(job.settings["store"])
    pack_images(store, read_images_table(job.input("images")), job.outputs[0])
