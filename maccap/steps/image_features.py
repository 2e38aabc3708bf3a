"""Pictures -> global features, tokens and attention of one shard of the test images."""

from ..core.job import Job
from ..data.captions import read_images_table
from ..data.features import shard_rows
from ..models.devices import pick_device
from ..models.encoder import load_encoder
from ..models.image_features import extract_image_features


def run(job: Job) -> None:
    encoder = load_encoder(str(job.folder("encoder")), device=str(pick_device(job.cfg["gpus"])))
    (out,) = job.outputs
    images = read_images_table(job.input("images"))
    own = [images[row] for row in shard_rows(out.name, len(images))]
    size, dtype = job.cfg["encoder.batch_size"], job.cfg["encoder.dtype"]
    extract_image_features(encoder, job.input("pictures"), own, out, size, dtype)
