"""The embedded world on disk, in the formats of the real data sets: Karpathy JSON, zipped JPEG, VQA v2 JSON."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..core.artifacts import atomic, write_json
from ..core.settings import CAPTIONS_PER_SCENE
from .drawing import draw
from .scenes import Scene, caption, question, scenes, ten_answers

SPLITS = ("train", "val", "test")


def write_world(folder: Path, domain: str, counts: dict[str, int], questions: int, seed: int) -> None:
    """Write one domain: `dataset.json`, `images.zip`, and for each of train and test the VQA questions and annotations.

    `dataset.json` also tells the objects of each scene, which Karpathy's files do not. Train scenes get captions and
    questions but no image: training reads text alone.

    Args:
        counts: number of scenes per split.
        questions: number of questions per scene.
    """
    images: list[dict[str, Any]] = []
    vqa: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {split: [] for split in SPLITS}
    with atomic(folder / "images.zip") as part, zipfile.ZipFile(part, "w") as archive:
        for split in SPLITS:
            for scene, rng in scenes(domain, split, counts[split], seed):
                image = _image_record(len(images), domain, split, scene, rng)
                images.append(image)
                vqa[split] += [_question_record(image["image_id"], n, scene, rng) for n in range(questions)]
                if split != "train":
                    _store_image(archive, "/".join((image["filepath"], image["filename"])), scene, rng)
    for image in images:
        if domain != "daylight":
            del image["filepath"], image["cocoid"]
        del image["image_id"]
    write_json(folder / "dataset.json", {"images": images, "dataset": domain}, indent=None)
    for split in ("train", "test"):
        header = {"data_type": "scenes", "data_subtype": split, "license": {"name": "MIT"}, "info": {"version": "2.0"}}
        asked = {"task_type": "Open-Ended", "questions": [q for q, _ in vqa[split]]}
        write_json(folder / f"vqa_questions.{split}.json", header | asked, indent=None)
        write_json(
            folder / f"vqa_annotations.{split}.json", header | {"annotations": [a for _, a in vqa[split]]}, indent=None
        )


def _image_record(index: int, domain: str, split: str, scene: Scene, rng: np.random.Generator) -> dict[str, Any]:
    image_id = index if domain != "daylight" else 100_000 + index
    folder = "" if domain != "daylight" else f"{split}2014"
    sentences = []
    for n in range(CAPTIONS_PER_SCENE):
        raw = caption(scene, rng)
        tokens = raw.lower().replace(",", "").rstrip(".").split()
        sentences.append({"tokens": tokens, "raw": raw, "imgid": index, "sentid": index * CAPTIONS_PER_SCENE + n})
    return {
        "filepath": folder, "filename": f"{image_id:012d}.jpg", "imgid": index, "cocoid": image_id,
        "image_id": image_id, "split": split, "sentids": [s["sentid"] for s in sentences], "sentences": sentences,
        "objects": [vars(group) | {"plural": group.plural} for group in scene.groups],
    }  # fmt: skip


def _question_record(
    image_id: int, n: int, scene: Scene, rng: np.random.Generator
) -> tuple[dict[str, Any], dict[str, Any]]:
    asked = question(scene, rng)
    question_id = image_id * 1000 + n
    given = ten_answers(asked, rng)
    answers = [{"answer": a, "answer_confidence": "yes", "answer_id": i + 1} for i, a in enumerate(given)]
    most = max(given, key=lambda a: (given.count(a), a == asked.answer))
    return (
        {"image_id": image_id, "question": asked.text, "question_id": question_id},
        {
            "question_type": asked.question_type, "multiple_choice_answer": most, "answers": answers,
            "image_id": image_id, "answer_type": asked.answer_type, "question_id": question_id,
        },
    )  # fmt: skip


def _store_image(archive: zipfile.ZipFile, name: str, scene: Scene, rng: np.random.Generator) -> None:
    data = io.BytesIO()
    draw(scene, rng).save(data, "JPEG", quality=92, subsampling=0)
    archive.writestr(zipfile.ZipInfo(name.lstrip("/")), data.getvalue())
