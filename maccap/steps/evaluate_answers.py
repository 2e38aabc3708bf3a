"""All answers about one data set -> official VQA accuracies as JSON Lines: overall and by type; of each question."""

from ..core.job import Job
from ..data.predictions import read_answers
from ..data.vqa import read_annotations, read_questions
from ..metrics.metric_files import write_metrics
from ..metrics.vqa import accuracy_rows


def run(job: Job) -> None:
    questions = read_questions(job.input("questions"))
    annotations = read_annotations(job.input("annotations"), questions)
    answers = read_answers(job.inputs["answers"])
    write_metrics(job.outputs, accuracy_rows(questions, annotations, answers))
