"""VQA v2 files as released -> plain official JSON of each split, and the table of the test questions' images.

Outputs are the questions of train and test, their annotations, then the table of images.
"""

from ..core.artifacts import write_json
from ..core.job import Job
from ..data.archives import read_member_json
from ..data.captions import write_images
from ..data.vqa import question_images, read_annotations, read_questions


def run(job: Job) -> None:
    *files, images = job.outputs
    for split, asked_out, annotated_out in zip(("train", "test"), files[:2], files[2:], strict=True):
        asked = job.input(f"{split}_questions")
        questions = read_questions(asked)
        annotations = read_annotations(job.input(f"{split}_annotations"), questions)
        write_json(asked_out, read_member_json(asked), indent=None)
        write_json(annotated_out, annotations, indent=None)
    write_images(images, question_images(questions, job.settings[f"datasets.{job.settings['dataset']}.image_name"]))
