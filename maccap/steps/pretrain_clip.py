"""Make the embedded world's CLIP again (not part of the default target)."""

from ..config import section
from ..pretraining import pretrain_clip
from . import Job


def run(job: Job) -> None:
    pretrain_clip(
        job.outputs[0].parent, job.inputs["vocabulary"][0].parent, section(job.cfg, "pretraining.clip"), job.cfg["seed"]
    )
