"""Draw one domain of the embedded world and write it in the formats of the real data sets."""

from ..core.job import Job
from ..world.scene_files import SPLITS, write_world


def run(job: Job) -> None:
    counts = {split: job.settings[f"scenes.{split}"] for split in SPLITS}
    write_world(
        job.outputs[0].parent, job.settings["dataset"], counts, job.settings["scenes.questions"], job.settings["seed"]
    )
