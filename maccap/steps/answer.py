"""Questions about the test images -> official VQA results, one file per seed.

The form is in the output's folder name: `prefix` (soft tokens before the question, as released) or `caption` (the
generated caption before it).
"""

from ..answering import answer_questions
from ..artifacts import read_json, write_json
from ..config import AnsweringSettings, DecodingSettings, settings
from ..datasets.vqa import read_questions
from ..encoder import load_encoder
from ..features import read_image_features
from ..language_model import load_language_model
from . import Job
from .predict import trained_captioner


def run(job: Job) -> None:
    questions = read_questions(job.input("questions"))
    answering = settings(AnsweringSettings, job.cfg, "answering")
    decoding = settings(DecodingSettings, job.cfg, "decoding")
    lm = load_language_model(job.cfg["language_model.name"])
    encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
    images = read_image_features(job.input("images"))
    for index, out in enumerate(job.outputs):
        if out.parent.name == "prefix":
            captioner = trained_captioner(job, encoder, lm, images, decoding, index)
            results = answer_questions(lm, questions, answering, prefixes=(captioner, images))
        else:
            captions = {row["image_id"]: row["caption"] for row in read_json(job.inputs["predictions"][index])}
            results = answer_questions(lm, questions, answering, captions=captions)
        write_json(out, results)
