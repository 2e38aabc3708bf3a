"""VQA results, in shards -> official accuracies, one file per seed."""

from ..core.artifacts import read_json, write_json
from ..core.job import Job
from ..data.vqa import read_annotations, read_questions
from ..metrics import vqa_accuracy
from ..metrics.bootstrap import question_statistics


def run(job: Job) -> None:
    questions = read_questions(job.input("questions"))
    image_of = {row.question_id: row.image_id for row in questions}
    annotations = read_annotations(job.input("annotations"), questions)
    shards = len(job.inputs["results"]) // len(job.outputs)
    for number, out in enumerate(job.outputs):
        own = job.inputs["results"][number * shards : (number + 1) * shards]
        results = [row for path in own for row in read_json(path)]
        accuracy = vqa_accuracy(annotations, results)
        statistics = question_statistics(accuracy["per_question"], image_of)
        write_json(out, accuracy | {"statistics": statistics}, indent=None)
