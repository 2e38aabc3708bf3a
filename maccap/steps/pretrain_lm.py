"""Make the embedded world's language model again (not part of the default target)."""

from ..core.job import Job
from ..core.settings import section
from ..world.pretraining import pretrain_lm


def run(job: Job) -> None:
    pretrain_lm(job.outputs[0].parent, section(job.settings, "pretraining.lm"), job.settings["seed"])
