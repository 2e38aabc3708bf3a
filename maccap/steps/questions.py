"""VQA v2 files as released -> plain official JSON of each split, and the table of the test questions' images.

Outputs are the questions of train and test, their annotations, then the table of images.
"""

from ..core.artifacts import write_json
from ..core.job import Job
from ..core.settings import section
from ..data.archives import read_member_json
from ..data.captions import write_images
from ..data.vqa import question_images, read_annotations, read_questions


def run(job: Job) -> None:
    about = section(job.settings, f"datasets.{job.settings['dataset']}")
    *files, images = job.outputs
    for split, asked_out, annotated_out in zip(("train", "test"), files[:2], files[2:], strict=True):
        asked, member = job.input(f"{split}_questions"), about.get(f"questions.{split}.member")
        questions = read_questions(asked, member)
        annotated = about.get(f"annotations.{split}.member")
        annotations = read_annotations(job.input(f"{split}_annotations"), questions, annotated)
        write_json(asked_out, read_member_json(asked, member), indent=None)
        write_json(annotated_out, annotations, indent=None)
    write_images(images, question_images(questions, about["image_name"]))
