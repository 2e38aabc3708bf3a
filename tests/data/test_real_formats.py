"""Real captions, questions and photos, in archives of the names and layouts that the official downloads have."""

import gzip
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from maccap.data.captions import Caption, read_captions, read_images_table, references, write_captions, write_images
from maccap.data.coco import read_coco_captions
from maccap.data.images import pack_images, read_images
from maccap.data.karpathy import read_karpathy
from maccap.data.vqa import majority_answers, question_images, read_annotations, read_questions
from tests.helpers.files import as_json, refuses, zipped

VQA_HEADER = {
    "info": {"description": "This is v2.0 of the VQA dataset.", "url": "http://visualqa.org", "version": "2.0"},
    "data_type": "mscoco", "data_subtype": "val2014", "license": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    folder = shared / "real"
    if not folder.is_dir():
        pytest.skip(f"needs real captions, questions and photos: put them into {folder}")
    return folder


def load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")


def plain(text: str) -> str:
    return " ".join(text.split())


# --- Karpathy's splits ---------------------------------------------------------------------------------------------
def coco_id(name: str) -> int:
    return int(name.removesuffix(".jpg").rsplit("_", 1)[1])


def karpathy_json(rows: list[dict[str, Any]], dataset: str) -> dict[str, Any]:
    """Released val and test references, nested as Karpathy's JSON has them."""
    images, sentid = [], 0
    for imgid, row in enumerate(rows):
        sentences = []
        for raw in row["captions"]:
            tokens = raw.lower().rstrip(".").split()
            sentences.append({"tokens": tokens, "raw": raw, "imgid": imgid, "sentid": sentid})
            sentid += 1
        image = {"filename": row["image_name"], "imgid": imgid, "split": row["split"], "sentences": sentences}
        if dataset == "coco":
            image |= {"filepath": row["file_path"], "cocoid": coco_id(row["image_name"])}
        images.append(image | {"sentids": [sentence["sentid"] for sentence in sentences]})
    return {"images": images, "dataset": dataset}


@pytest.fixture(scope="module")
def released(real: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of val and test of both data sets, and Flickr30k's 29,000 training images."""
    flickr = [row for split in ("val", "test") for row in load(real / "karpathy" / f"flickr30k_{split}.json.gz")]
    texts = real / "flickr30k_captions"
    columns = [lines(texts / f"train.{n}.en.gz") for n in range(1, 6)]
    names = lines(texts / "train_images.txt.gz")
    train = [
        {"split": "train", "image_name": name, "captions": list(captions)}
        for name, *captions in zip(names, *columns, strict=True)
    ]
    coco = [row for split in ("val", "test") for row in load(real / "karpathy" / f"mscoco_{split}.json.gz")]
    return {"coco": coco, "flickr30k": train + flickr}


@pytest.fixture(scope="module")
def caption_datasets(released: dict[str, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("karpathy") / "caption_datasets.zip"
    path.write_bytes(zipped({f"dataset_{name}.json": karpathy_json(rows, name) for name, rows in released.items()}))
    return path


def test_coco_splits_have_the_known_sizes_ids_and_texts(caption_datasets, released, tmp_path):
    rows = read_karpathy(caption_datasets, "dataset_coco.json")
    for split in ("val", "test"):
        grouped = references([row for row in rows if row.split == split])
        assert Counter(map(len, grouped.values())) == {5: 4990, 6: 10}
        own = [row for row in released["coco"] if row["split"] == split]
        expected = {coco_id(row["image_name"]): [*map(plain, row["captions"])] for row in own}
        assert grouped == expected
    assert len(rows) == 2 * 25_010
    assert all(row.file_name == f"val2014/COCO_val2014_{row.image_id:012d}.jpg" for row in rows)
    test = [row for row in rows if row.split == "test"]
    assert test[0].file_name == "val2014/COCO_val2014_000000391895.jpg"
    write_captions(tmp_path / "captions.test.jsonl", test)
    assert read_captions(tmp_path / "captions.test.jsonl") == test


def test_flickr30k_splits_have_the_known_sizes_and_texts(caption_datasets, released):
    rows = read_karpathy(caption_datasets, "dataset_flickr30k.json")
    assert Counter(row.split for row in rows) == {"train": 5 * 29_000, "val": 5 * 1_014, "test": 5 * 1_000}
    assert len(references(rows)) == 31_014
    assert [row.caption for row in rows] == [plain(raw) for image in released["flickr30k"] for raw in image["captions"]]
    assert rows[0] == Caption(
        0, "1000092795.jpg", "train", 0,
        "Two young guys with shaggy hair look at their hands while hanging out in the yard.",
    )  # fmt: skip


# --- COCO photos with captions and questions -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def photos(real: Path) -> Path:
    return real / "coco_photos"


@pytest.fixture(scope="module")
def val2014(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos as the official `val2014.zip` names them."""
    path = tmp_path_factory.mktemp("coco") / "val2014.zip"
    held = {f"val2014/COCO_val2014_{photo.name}": photo.read_bytes() for photo in (photos / "images").iterdir()}
    path.write_bytes(zipped({"val2014/": b""} | held))
    return path


def test_coco_captions_come_out_of_the_annotations_archive(photos: Path, tmp_path: Path) -> None:
    content = load(photos / "captions.json")
    images = [image | {"file_name": f"COCO_val2014_{image['file_name']}"} for image in content["images"]]
    official = content | {"images": images}
    boxes = [{"id": n, "image_id": r["image_id"], "bbox": [0, 0, 1, 1]} for n, r in enumerate(content["annotations"])]
    path = tmp_path / "annotations_trainval2014.zip"
    instances = official | {"annotations": boxes}
    held = {"annotations/captions_val2014.json": official, "annotations/instances_val2014.json": instances}
    path.write_bytes(zipped(held))
    rows = read_coco_captions(path, "test", "annotations/captions_val2014.json")
    assert len(rows) == 620
    assert len(references(rows)) == 124
    assert [(row.caption_id, row.image_id, row.caption) for row in rows] == [
        (row["id"], row["image_id"], plain(row["caption"])) for row in content["annotations"]
    ]
    assert {row.file_name for row in rows} == {f"COCO_val2014_{row.image_id:012d}.jpg" for row in rows}
    refuses(
        lambda: read_coco_captions(path, "test", "annotations/instances_val2014.json"),
        "'caption'", "take captions_*.json",
    )  # fmt: skip


def test_a_folder_of_photos_in_coco_format_is_a_data_set(photos: Path) -> None:
    names = list(dict.fromkeys(row.file_name for row in read_coco_captions(photos / "captions.json", "test")))
    assert len(names) == len(list((photos / "images").iterdir())) == 124
    assert all(min(image.size) >= 50 for image in read_images(photos / "images", names))


def test_the_photos_of_the_questions_are_packed_out_of_the_official_archive(photos, val2014, tmp_path):
    questions, annotations = load(photos / "vqa_questions.json"), load(photos / "vqa_annotations.json")
    asked, answered = tmp_path / "v2_Questions_Val_mscoco.zip", tmp_path / "v2_Annotations_Val_mscoco.zip"
    asked.write_bytes(zipped({"v2_OpenEnded_mscoco_val2014_questions.json": VQA_HEADER | questions}))
    answered.write_bytes(zipped({"v2_mscoco_val2014_annotations.json": VQA_HEADER | annotations}))
    rows = read_questions(asked)
    assert len(rows) == 39
    assert read_annotations(answered, rows)["annotations"] == annotations["annotations"]
    entries = question_images(rows, "val2014/COCO_val2014_{:012d}.jpg")
    assert [entry.image_id for entry in entries] == list(dict.fromkeys(q["image_id"] for q in questions["questions"]))
    write_images(tmp_path / "images.jsonl", entries)
    pack_images(val2014, read_images_table(tmp_path / "images.jsonl"), tmp_path / "images.zip")
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        assert archive.namelist() == [entry.file_name for entry in entries]
        for entry in entries:
            assert archive.read(entry.file_name) == (photos / "images" / f"{entry.image_id:012d}.jpg").read_bytes()


# --- VQA v2 --------------------------------------------------------------------------------------------------------
def test_real_vqa_v2_questions_and_annotations_belong_together(real: Path, tmp_path: Path) -> None:
    folder = real / "vqa_v2"
    questions = read_questions(folder / "questions.json.gz")
    annotations = read_annotations(folder / "annotations.json.gz", questions)["annotations"]
    assert len(questions) == len(annotations) == 2_500
    assert {q.question_id: q.image_id for q in questions} == {a["question_id"]: a["image_id"] for a in annotations}
    majority = majority_answers({"annotations": annotations})
    assert majority.keys() == load(folder / "expected.json.gz")["accuracy"]["perQuestionType"].keys()
    assert majority["is the"] in ("yes", "no")
    absent = annotations.pop(1234)["question_id"]
    path = as_json(tmp_path / "annotations.json", VQA_HEADER | {"annotations": annotations})
    refuses(lambda: read_annotations(path, questions), f"question {absent} has no annotation")
