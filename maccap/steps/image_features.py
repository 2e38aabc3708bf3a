"""Pictures -> global features, tokens and attention of the test images."""

from ..datasets.captions import read_captions
from ..encoder import load_encoder
from ..features import extract_image_features
from . import Job


def run(job: Job) -> None:
    encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
    captions = read_captions(job.input("captions"), split="test")
    extract_image_features(
        encoder, job.input("images"), captions, job.outputs[0], job.cfg["encoder.batch_size"], job.cfg["encoder.dtype"]
    )
