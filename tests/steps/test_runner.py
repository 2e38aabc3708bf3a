"""What a job imports, and the files of a VQA data set."""

import gc
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from maccap.core.holding import held
from maccap.core.job import Job
from maccap.core.records import now, write_record
from maccap.steps import runner
from maccap.steps.questions import run
from maccap.steps.runner import run_step
from tests.data.test_readers import ANNOTATIONS, QUESTIONS
from tests.helpers import wait_for

COUNTS = """
import gc, sys
from maccap.steps import runner
collections = []
gc.callbacks.append(lambda phase, about: collections.append(about["generation"]))
runner.step_module("train", {"language_model": []})
assert "transformers.modeling_utils" in sys.modules
print(len(collections), gc.get_freeze_count(), gc.isenabled())
"""


def test_what_a_job_imports_is_never_looked_through_for_garbage_and_the_collector_stays_on():
    done = subprocess.run([sys.executable, "-c", COUNTS], capture_output=True, text=True, check=True)
    collections, left_out, enabled = done.stdout.split()
    assert (collections, enabled) == ("0", "True")
    assert int(left_out) > 100_000
    with pytest.raises(ModuleNotFoundError):
        run_step("no_such_step", {}, [], {}, [])
    assert gc.isenabled()


def test_a_run_that_another_job_trained_while_this_one_waited_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("captions").write_text("A boat.")
    out, calls = Path("runs/s1/adaptor.safetensors"), []
    job = Job({"train_captions": [Path("captions")]}, [out], {"run_seed": 1})
    monkeypatch.setattr(runner, "step_module", lambda *_: SimpleNamespace(run=lambda job: calls.append(out.touch())))
    out.parent.mkdir(parents=True)

    def another_job() -> None:
        with held("runs/s1.lock"):
            locked.set()
            wait_for(lambda: "waits for" in said(), str)
            out.write_text("trained")
            write_record("train", job, now())

    def said() -> str:
        told.append(capsys.readouterr().err)
        return "".join(told)

    told, locked = [], threading.Event()
    (first := threading.Thread(target=another_job)).start()
    locked.wait()
    run_step("train", job.inputs, job.outputs, job.settings, [])
    first.join()
    assert calls == []
    assert out.read_text() == "trained"
    assert "another job has made it meanwhile" in said()
    run_step("train", job.inputs, job.outputs, job.settings, [])
    assert len(calls) == 1, "a job that nobody did meanwhile is done"


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
