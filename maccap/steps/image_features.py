"""Pictures -> global features, tokens and attention of one shard of the test images."""

from ..datasets.captions import read_images_table
from ..devices import pick_device
from ..encoder import load_encoder
from ..features import extract_image_features, shard_rows
from . import Job


def run(job: Job) -> None:
    encoder = load_encoder(str(job.folder("encoder")), device=str(pick_device(job.cfg["gpus"])))
    (out,) = job.outputs
    images = read_images_table(job.input("images"))
    own = [images[row] for row in shard_rows(out.name, len(images))]
    size, dtype = job.cfg["encoder.batch_size"], job.cfg["encoder.dtype"]
    extract_image_features(encoder, job.input("pictures"), own, out, size, dtype)
