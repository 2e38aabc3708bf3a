"""Caption table -> text features of one split per output (`captions.<split>.safetensors`)."""

from ..datasets.captions import read_captions
from ..encoder import load_encoder
from ..features import write_store
from . import Job


def run(job: Job) -> None:
    encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
    for out in job.outputs:
        rows = read_captions(job.input("captions"), split=out.name.split(".")[1])
        features = encoder.text_features([row.caption for row in rows], job.cfg["encoder.batch_size"])
        write_store(out, {"features": features}, [row.caption_id for row in rows], job.cfg["encoder.dtype"])
