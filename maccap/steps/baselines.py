"""The two ends of the scale on one test set, as predictions: `blind` and `human`.

`blind` is the language model alone, beam search from its begin token: the same text for every image and seed.
`human` is reference i of each image for seed number i; evaluation leaves it out of the references.
"""

from ..config import DecodingSettings, settings
from ..datasets.captions import read_captions, references
from ..encoder import load_encoder
from ..language_model import load_language_model
from . import Job
from .predict import write_predictions


def run(job: Job) -> None:
    decoding = settings(DecodingSettings, job.cfg, "decoding")
    encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
    lm = load_language_model(job.cfg["language_model.name"])
    texts = references(read_captions(job.input("captions"), split="test"))
    alone = lm.generate(None, [""], beams=decoding.beams, max_new_tokens=decoding.max_new_tokens)[0]
    for out in job.outputs[::2]:
        index = job.seeds.index(int(out.stem.removeprefix("s")))
        if out.parts[-3] == "blind":
            predictions = [{"image_id": image_id, "caption": alone} for image_id in texts]
        else:
            predictions = [
                {"image_id": i, "caption": own[index % len(own)], "left_out_reference": index % len(own)}
                for i, own in texts.items()
            ]
        write_predictions(out, predictions, encoder, decoding.clipscore_prompt, job)
