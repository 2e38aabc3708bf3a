"""A CLIP by name, from its weights tag or from a downloaded file -> one open_clip folder.

The outputs are the folder's `index.json`, configuration and weights. Where the job has an input `weights`, it is read
in place of fetching the weights that `encoder.pretrained` names.
"""

from open_clip.tokenizer import HFTokenizer

from ..core.artifacts import write_index
from ..core.errors import EncoderError
from ..core.job import Job
from ..models.encoder import load_encoder, save_encoder


def run(job: Job) -> None:
    name, weights = job.settings["encoder.name"], job.inputs.get("weights")
    encoder = load_encoder(
        name, job.settings.get("encoder.pretrained"), weights=job.input("weights") if weights else None
    )
    if isinstance(encoder.tokenizer, HFTokenizer):
        raise EncoderError(
            f"encoder {name!r} has a tokenizer of its own: download its folder with tokenizer.json and name that "
            "folder in `encoder.name`"
        )
    save_encoder(encoder, job.outputs[0].parent)
    write_index(job.outputs)
