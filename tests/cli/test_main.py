"""The command line: what it lists, how quickly, and how it ends when something is wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maccap.cli.main import main
from maccap.cli.step import STEPS
from tests.helpers import ROOT


def maccap(*arguments: str, code: int = 0) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "maccap", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == code, run.stderr
    return run


COMMANDS = ["caption", "crate", "docs", "doctor", "dvc", "export", "gap", "mirror", "trace", "verify"]


def test_help_lists_the_commands_for_people_and_says_where_the_steps_are():
    out = maccap("--help").stdout
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("    ") and line[4] != " "]
    assert listed == COMMANDS
    assert "maccap step --help" in out


def test_help_is_there_at_once():
    taken = []
    for _ in range(3):
        began = sum(os.times()[2:4])  # of child processes, on the CPU
        maccap("--help")
        taken.append(sum(os.times()[2:4]) - began)
    assert min(taken) < 0.3


def test_every_step_is_listed_with_what_it_does_and_none_is_imported():
    code = "import sys; from maccap.cli.main import main\ntry: main(['step', '--help'])\nfinally: print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *out, loaded = run.stdout.splitlines()
    listed = {line.split()[0]: line.split(maxsplit=1)[1] for line in out[out.index("steps:") + 1 :]}
    assert listed.keys() == {name.replace("_", "-") for name in STEPS}
    assert all(len(text) > 20 for text in listed.values())
    assert not {f"maccap.steps.{name}" for name in STEPS} & set(loaded.split())
    assert "torch" not in loaded.split()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(), MemoryError("8 GiB"), RuntimeError("CUDA out of memory. Tried"),
        RuntimeError("x: can't allocate memory: y\nz"),
    ],
)  # fmt: skip
def test_too_little_memory_is_told_in_one_line(monkeypatch, capsys, error):
    def fail(*_: object) -> None:
        raise errors.pop()

    errors = [RuntimeError("another"), error]
    monkeypatch.setattr("maccap.cli.doctor.run", fail)
    assert main(["doctor"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "lower what is held at once in the config (batch_size" in said
    with pytest.raises(RuntimeError, match="another"):
        main(["doctor"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page_of_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: maccap {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["step", "tarin", "--output", "x"], "maccap step: tarin: not a step; `maccap step --help` lists them"),
        (["step", "train"], "maccap step: train: no --output"),
        (["step"], "maccap step: no NAME: not a step"),
        (["step", "--again", "none.prov.json"], "maccap step: none.prov.json: cannot be read"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(capsys, arguments, message):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_a_command_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train"])
    assert ended.value.code == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


def test_a_step_leaves_its_output_and_a_record_that_does_it_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenes = {
        "dataset": "daylight", "seed": 1, "scenes.train": 2, "scenes.val": 1, "scenes.test": 1, "scenes.questions": 1,
    }  # fmt: skip
    made = [
        "artifacts/daylight/dataset.json", "artifacts/daylight/images.zip",
        "artifacts/daylight/vqa_questions.train.json", "artifacts/daylight/vqa_annotations.train.json",
        "artifacts/daylight/vqa_questions.test.json", "artifacts/daylight/vqa_annotations.test.json",
    ]  # fmt: skip
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    maccap("step", "scenes", "--output", *made, "--cfg", repr(scenes))
    monkeypatch.delenv("OMP_NUM_THREADS")
    record = Path(f"{made[0]}.prov.json")
    command = json.loads(record.read_text())["command"]
    assert command == f"maccap step --again {record}"
    before = [Path(path).read_bytes() for path in made]
    for path in made:
        Path(path).unlink()
    maccap(*command.split()[1:])
    assert [Path(path).read_bytes() for path in made] == before
    assert json.loads(record.read_text())["host"]["threads"] == "3", "with as many threads as the first time"


def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path):
    """Interrupted while it reads a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "p.jsonl")
    process = subprocess.Popen(
        [sys.executable, "-m", "maccap", "export", "predictions", str(tmp_path / "p.jsonl"), "--output", "x"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # workers of pytest-xdist ignore it
    )  # fmt: skip
    writer = os.open(tmp_path / "p.jsonl", os.O_WRONLY)  # waits until the command has opened it
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    os.close(writer)
    assert process.returncode == 130
    assert err == "maccap export: interrupted\n"
