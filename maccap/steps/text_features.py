"""Caption tables -> text features of one shard per output (`captions.<split>.<shard>.safetensors`)."""

from ..core.job import Job
from ..data.captions import CaptionTable
from ..data.features import shard_rows, write_store
from ..models.devices import pick_device
from ..models.encoder import load_encoder


def run(job: Job) -> None:
    encoder = load_encoder(str(job.folder("encoder")), device=str(pick_device(job.cfg["gpus"]))).text_only()
    tables = {path.name.split(".")[1]: path for path in job.inputs["captions"]}
    for out in job.outputs:
        table = CaptionTable(tables[out.name.split(".")[1]])
        rows = [table[row] for row in shard_rows(out.name, len(table))]
        features = encoder.text_features([row.caption for row in rows], job.cfg["encoder.batch_size"])
        write_store(out, {"features": features}, [row.caption_id for row in rows], job.cfg["encoder.dtype"])
