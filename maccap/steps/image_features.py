"""Images -> global features, tokens and attention of one shard of the test images."""

from ..core.job import Job
from ..data.captions import read_images_table
from ..data.features import shard_rows
from ..models.image_features import extract_image_features
from ..models.of_job import image_encoder


def run(job: Job) -> None:
    encoder = image_encoder(job)
    images = read_images_table(job.input("images"))
    own = [images[row] for row in shard_rows(**job.settings["shard"], count=len(images))]
    size, dtype = job.settings["encoder.batch_size"], job.settings["encoder.dtype"]
    extract_image_features(encoder, job.input("store"), own, job.outputs[0], size, dtype)
