"""The two ends of the scale on one test set, as predictions: `blind` and `human`.

`blind` is the language model alone, beam search from its begin token: the same text for every image and seed.
`human` is reference i of each image for seed number i; evaluation leaves it out of the references.
"""

from ..core.job import Job
from ..core.settings import DecodingSettings, settings
from ..data.captions import read_captions, references
from ..models.encoder import EncodedOnce
from .predict import load_models, seed_of, write_predictions


def run(job: Job) -> None:
    decoding = settings(DecodingSettings, job.cfg, "decoding")
    encoder, lm = load_models(job)
    encoded = EncodedOnce(encoder)
    texts = references(read_captions(job.input("captions")))
    alone = lm.generate(None, [""], beams=decoding.beams, max_new_tokens=decoding.max_new_tokens)[0]
    for out in job.outputs[::2]:
        index = job.seeds.index(seed_of(out))
        if out.parts[-3] == "blind":
            predictions = [{"image_id": image_id, "caption": alone} for image_id in texts]
        else:
            predictions = [
                {"image_id": i, "caption": own[index % len(own)], "left_out_reference": index % len(own)}
                for i, own in texts.items()
            ]
        write_predictions(out, predictions, encoded, decoding.clipscore_prompt, job)
