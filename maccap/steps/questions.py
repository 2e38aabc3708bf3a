"""VQA v2 files as released -> plain official JSON of each split, and the table of the test questions' pictures."""

from ..core.artifacts import write_json
from ..core.job import Job
from ..core.settings import section
from ..data.archives import read_member_json
from ..data.captions import write_images
from ..data.vqa import question_images, read_annotations, read_questions


def run(job: Job) -> None:
    outputs = {path.name: path for path in job.outputs}
    name = job.outputs[0].parent.name
    for split in ("train", "test"):
        asked = job.input(f"{split}_questions")
        questions = read_questions(asked)
        annotations = read_annotations(job.input(f"{split}_annotations"), questions)
        write_json(outputs[f"vqa_questions.{split}.json"], read_member_json(asked), indent=None)
        write_json(outputs[f"vqa_annotations.{split}.json"], annotations, indent=None)
    picture = section(job.cfg, f"datasets.{name}")["picture"]
    write_images(outputs["images.jsonl"], question_images(questions, picture))
