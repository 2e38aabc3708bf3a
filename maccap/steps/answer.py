"""Questions about one shard of the test images -> official VQA results, one file per seed.

How is in the config under `answerers.<name>`, the output's folder name: behind soft tokens (`prefix`, as released) or
behind the generated caption (`caption`).
"""

from ..core.artifacts import read_json, write_json
from ..core.job import Job
from ..core.settings import AnsweringSettings, DecodingSettings, settings
from ..data.features import read_image_features
from ..data.vqa import read_questions
from ..inference.answering import answer_questions
from .predict import load_models, run_captioner, seed_of


def run(job: Job) -> None:
    answerer = job.outputs[0].parent.name
    answering = settings(AnsweringSettings, job.cfg, "answering", f"answerers.{answerer}.answering")
    decoding = settings(DecodingSettings, job.cfg, "decoding")
    encoder, lm = load_models(job)
    images = read_image_features(job.inputs["images"])
    own = set(images.ids.tolist())
    questions = [row for row in read_questions(job.input("questions")) if row.image_id in own]
    for index, out in enumerate(job.outputs):
        if job.cfg[f"answerers.{answerer}.context"] == "prefix":
            experiment = job.cfg[f"answerers.{answerer}.experiment"]
            captioner = run_captioner(job, encoder, lm, out.parts[-4], experiment, decoding, seed_of(out))
            results = answer_questions(lm, questions, answering, prefixes=(captioner, images))
        else:
            captions = {row["image_id"]: row["caption"] for row in read_json(job.inputs["predictions"][index])}
            results = answer_questions(lm, questions, answering, captions=captions)
        write_json(out, results)
