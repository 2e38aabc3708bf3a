"""Make the embedded world's CLIP again (not part of the default target)."""

from ..core.job import Job
from ..core.settings import section
from ..world.pretraining import pretrain_clip


def run(job: Job) -> None:
    pretrain_clip(job.outputs[0].parent, section(job.settings, "pretraining.clip"), job.settings["seed"])
