"""Make the embedded world's language model again (not part of the default target)."""

from ..config import section
from ..pretraining import pretrain_lm
from . import Job


def run(job: Job) -> None:
    pretrain_lm(job.outputs[0].parent, section(job.cfg, "pretraining.lm"), job.cfg["seed"])
