"""Questions about the test images -> official VQA results, one file per seed.

The form is in the output's folder name: `prefix` (soft tokens before the question, as released), `caption` (the
generated caption before it), `blind` (the language model alone) or `majority` (the most frequent training answer of
the question's type).
"""

from ..answering import answer_questions
from ..artifacts import read_json, write_json
from ..config import AnsweringSettings, DecodingSettings, settings
from ..datasets.vqa import majority_answers, read_annotations, read_questions
from ..encoder import load_encoder
from ..features import read_image_features
from ..language_model import load_language_model
from . import Job
from .predict import trained_captioner


def run(job: Job) -> None:
    form = job.outputs[0].parent.name
    questions = read_questions(job.input("questions"))
    if form == "majority":
        _majority(job)
        return
    answering = settings(AnsweringSettings, job.cfg, "answering")
    lm = load_language_model(job.cfg["language_model.name"])
    if form == "prefix":
        decoding = settings(DecodingSettings, job.cfg, "decoding")
        encoder = load_encoder(job.cfg["encoder.name"], job.cfg["encoder.pretrained"])
        images = read_image_features(job.input("images"))
    for index, out in enumerate(job.outputs):
        if form == "prefix":
            captioner = trained_captioner(job, encoder, lm, images, decoding, index)
            results = answer_questions(lm, questions, answering, prefixes=(captioner, images))
        elif form == "caption":
            captions = {row["image_id"]: row["caption"] for row in read_json(job.inputs["predictions"][index])}
            results = answer_questions(lm, questions, answering, captions=captions)
        else:
            results = answer_questions(lm, questions, answering)
        write_json(out, results)


def _majority(job: Job) -> None:
    training = read_questions(job.input("train_questions"))
    majority = majority_answers(read_annotations(job.input("train_annotations"), training))
    asked = read_annotations(job.input("annotations"), read_questions(job.input("questions")))
    results = [
        {"question_id": row["question_id"], "answer": majority.get(row["question_type"], "")}
        for row in asked["annotations"]
    ]
    for out in job.outputs:
        write_json(out, results)
