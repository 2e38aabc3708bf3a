"""VQA results -> official accuracies, one file per seed."""

from ..artifacts import read_json, write_json
from ..datasets.vqa import read_annotations, read_questions
from ..metrics import vqa_accuracy
from . import Job


def run(job: Job) -> None:
    annotations = read_annotations(job.input("annotations"), read_questions(job.input("questions")))
    for path, out in zip(job.inputs["results"], job.outputs, strict=True):
        write_json(out, vqa_accuracy(annotations, read_json(path)), indent=None)
