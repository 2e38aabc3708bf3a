"""The blind end of VQA: each question gets its type's most frequent training answer; the same for every seed."""

from ..core.artifacts import write_json
from ..core.job import Job
from ..data.vqa import majority_answers, read_annotations, read_questions


def run(job: Job) -> None:
    training = read_questions(job.input("train_questions"))
    majority = majority_answers(read_annotations(job.input("train_annotations"), training))
    asked = read_annotations(job.input("annotations"), read_questions(job.input("questions")))
    results = [
        {"question_id": row["question_id"], "answer": majority.get(row["question_type"], "")}
        for row in asked["annotations"]
    ]
    for out in job.outputs:
        write_json(out, results)
