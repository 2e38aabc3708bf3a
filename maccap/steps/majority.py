"""The blind end of VQA: each question gets its type's most frequent training answer; the same for every seed."""

from ..core.job import Job
from ..data.predictions import write_answers
from ..data.vqa import majority_answers, read_annotations, read_questions


def run(job: Job) -> None:
    training = read_questions(job.input("train_questions"))
    majority = majority_answers(read_annotations(job.input("train_annotations"), training))
    asked = read_annotations(job.input("annotations"), read_questions(job.input("questions")))["annotations"]
    about = {name: job.settings[name] for name in ("trained", "vqa_method", "tested")}
    rows = [
        about | {"seed": seed, "question_id": row["question_id"], "answer": majority.get(row["question_type"], "")}
        for seed in job.seeds
        for row in asked
    ]
    write_answers(job.outputs[0], rows)
