"""Karpathy split file -> caption table."""

from ..datasets.captions import write_captions
from ..datasets.karpathy import read_karpathy
from . import Job


def run(job: Job) -> None:
    write_captions(job.outputs[0], read_karpathy(job.input("splits")))
