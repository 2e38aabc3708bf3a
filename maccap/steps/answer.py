"""Questions about one shard of the test images -> answers of every seed, as JSON Lines.

What stands before a question is the setting `vqa_methods.<name>.context`: soft tokens (`prefix`, as released) or the
generated caption (`caption`).
"""

from typing import Any

from ..core.job import Job
from ..core.settings import AnsweringSettings, settings
from ..data.features import read_image_features
from ..data.predictions import read_predictions, write_answers
from ..data.vqa import read_questions
from ..inference.answering import answer_questions
from ..inference.of_job import decoding_settings, run_captioner
from ..methods.of_job import method_of
from ..models.of_job import language_model, text_encoder


def run(job: Job) -> None:
    name, lm = job.settings["vqa_method"], language_model(job)
    answering = settings(AnsweringSettings, job.settings, "answering", f"vqa_methods.{name}.answering")
    images = read_image_features(job.inputs["images"])
    own = set(images.ids.tolist())
    questions = [row for row in read_questions(job.input("questions")) if row.image_id in own]
    about = {"trained": job.settings["trained"], "vqa_method": name, "tested": job.settings["tested"]}
    prefix = job.settings[f"vqa_methods.{name}.context"] == "prefix"
    generation, selection = decoding_settings(job, job.settings["experiment"])
    encoder, method = (text_encoder(job), method_of(job)) if prefix else (None, None)
    rows: list[dict[str, Any]] = []
    for seed in job.seeds:
        if encoder and method:
            captioner = run_captioner(job, encoder, lm, method, generation, selection.draws, seed)
            answers = answer_questions(lm, questions, answering, (captioner, images))
        else:
            answers = answer_questions(lm, questions, answering, captions_of(job, seed))
        rows += [about | {"seed": seed} | answer for answer in answers]
    write_answers(job.outputs[0], rows)


def captions_of(job: Job, seed: int) -> dict[int, str]:
    """{image id: caption} of the job's experiment and test set for a seed."""
    rows = read_predictions(job.inputs["predictions"])
    own = rows[
        (rows.experiment == job.settings["experiment"]) & (rows.tested == job.settings["tested"]) & (rows.seed == seed)
    ]
    return dict(zip(own.image_id.tolist(), own.caption.tolist(), strict=True))
