"""The files of a VQA data set, as released, become plain ones."""

import json
from pathlib import Path
from zipfile import ZipFile

from maccap.core.job import Job
from maccap.steps.questions import run
from tests.data.test_readers import ANNOTATIONS, QUESTIONS


def test_of_an_archive_with_several_files_the_one_named_is_read(tmp_path: Path):
    archive, out = tmp_path / "all.zip", tmp_path / "out"
    with ZipFile(archive, "w") as zipped:
        for name, content in (("q.json", QUESTIONS), ("a.json", ANNOTATIONS), ("other.json", {})):
            zipped.writestr(name, json.dumps(content))
    kinds = [(part, split) for part in ("questions", "annotations") for split in ("train", "test")]
    outputs = [out / f"{part}.{split}.json" for part, split in kinds]
    settings = {f"datasets.mine.{part}.{split}.member": f"{part[0]}.json" for part, split in kinds}
    settings |= {"dataset": "mine", "datasets.mine.image_name": "{}.jpg"}
    run(Job({f"{split}_{part}": [archive] for part, split in kinds}, [*outputs, out / "images.jsonl"], settings))
    assert [json.loads(path.read_text()) for path in outputs] == [QUESTIONS, QUESTIONS, ANNOTATIONS, ANNOTATIONS]
    assert "262148.jpg" in (out / "images.jsonl").read_text()
