"""The command line: what it lists, and how quickly; whatever is wrong, one line with the fault and the remedy."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from PIL import Image

from maccap.cli.main import main
from maccap.cli.step import STEPS
from maccap.core.errors import refusal
from maccap.graph.snakemake_graph import Graph
from tests.helpers import ROOT
from tests.helpers.small_project import PREDICTIONS, TABLES


def maccap(*arguments: str, code: int = 0) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "maccap", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == code, run.stderr
    return run


COMMANDS = ["caption", "crate", "docs", "doctor", "dvc", "export", "gap", "mirror", "trace", "verify"]


def test_help_lists_the_commands_for_people_at_once_and_says_where_the_steps_are():
    out = maccap("--help").stdout
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("    ") and line[4] != " "]
    assert listed == COMMANDS
    assert "maccap step --help" in out
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
        RuntimeError("x: can't allocate memory: y\nz"), ImportError("libtorch_cpu.so: failed to map segment"),
    ],
)  # fmt: skip
def test_too_little_memory_is_told_in_one_line(monkeypatch, capsys, error):
    monkeypatch.setattr("maccap.cli.doctor.run", Mock(side_effect=[error, RuntimeError("another")]))
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


TABLE = TABLES["in_domain"]
GAP = ["gap", "--model", "models/clip", "--captions", "captions.json", "--images", "models"]
EXPORT = ["export", "predictions", PREDICTIONS]
WRITING = {
    "caption": ["caption", "picture.png", "--run", "run", "--output", "OUT/x.json"],
    "explain": ["caption", "picture.png", "--run", "run", "--explain", "OUT/x"],
    "crate": ["crate", "--output", "OUT/x.zip"],
    "crate in a folder": ["crate", "--output", "OUT/x"],
    "export": [*EXPORT, "--output", "OUT/x"],
    "export of one": [
        *EXPORT, "--experiment", "light", "--seed", "5", "--tested", "daylight", "--output", "OUT/x.json",
    ],
    "gap": [*GAP, "--output", "OUT/x"],
    "mirror": ["mirror", "OUT/x", "--registry", str(ROOT / "workflow/resources/assets.yaml")],
    "trace": ["trace", TABLE, "--graph", "OUT/x.mmd"],
}  # fmt: skip
ALL = {**WRITING, "dvc": ["dvc", "sync", "--profile", "other"], "verify": ["verify"]}


@pytest.fixture
def project(finished, monkeypatch) -> Path:
    """The small project, with a picture, a stand-in of a trained run, and Snakemake's plan of nothing."""
    monkeypatch.chdir(finished)
    Image.new("RGB", (8, 8)).save("picture.png")
    Path("captions.json").write_text('{"images": [], "annotations": []}')
    monkeypatch.setattr("maccap.inference.run.load_run", lambda folder: None)
    monkeypatch.setattr("maccap.cli.gap.read_coco_captions", lambda path, split: [])
    monkeypatch.setattr("maccap.cli.dvc.read_graph", lambda profile: Graph([], []))
    return finished


def refused(capsys, arguments: list[str], code: int = 2) -> str:
    """The only line that a command says."""
    assert main(arguments) == code
    said = capsys.readouterr().err
    assert said.startswith(f"maccap {arguments[0]}: ")
    assert said.count("\n") == 1, said
    return said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("command", ALL)
def test_a_full_or_read_only_disk_is_named(project, monkeypatch, capsys, command, number):
    def refuse(path: object, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    said = refused(capsys, [word.replace("OUT", "new") for word in ALL[command]])
    assert os.strerror(number) in said
    assert "; free space" in said or "; allow it" in said


def test_a_project_in_which_snakemake_may_not_write_is_named(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished)
    fault = OSError(errno.EROFS, os.strerror(errno.EROFS), ".snakemake/locks")
    monkeypatch.setattr("maccap.graph.snakemake_graph.planned", Mock(side_effect=fault))
    told = (
        "maccap dvc: .snakemake/locks: Read-only file system; allow it there, or choose another place, and run again\n"
    )
    assert refused(capsys, ["dvc", "sync"]) == told


@pytest.mark.parametrize("command", ALL)
def test_an_interrupt_is_one_word(project, monkeypatch, capsys, command):
    monkeypatch.setattr(os, "mkdir", Mock(side_effect=KeyboardInterrupt))
    said = refused(capsys, [word.replace("OUT", "new") for word in ALL[command]], 130)
    assert said.endswith(": interrupted\n")


@pytest.mark.parametrize("place", ["picture.png", "/proc/self/nowhere"])
@pytest.mark.parametrize("command", WRITING)
def test_an_output_below_a_file_or_where_nothing_can_be_made_is_named(project, capsys, command, place):
    assert place in refused(capsys, [word.replace("OUT", place) for word in WRITING[command]])


@pytest.mark.parametrize("command", ["caption", "export of one"])
def test_an_output_that_is_a_folder_is_named(project, capsys, command):
    Path("folder.json").mkdir(exist_ok=True)
    assert "folder.json" in refused(capsys, [*WRITING[command][:-1], "folder.json"])


@pytest.mark.parametrize(
    ("command", "config", "said"),
    [
        (command, config, said)
        for command in ("crate", "doctor", "dvc", "export", "verify")
        for config, said in (("", "names no profile"), ("{", "names no profile"), (None, "no Snakefile and"))
    ],
)
def test_a_broken_configuration_or_none_is_named(tmp_path, monkeypatch, capsys, command, config, said):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("x.png")
    if config is not None:
        Path("config").mkdir()
        Path("config/config.yaml").write_text(config)
        Path("Snakefile").touch()
    more = {"caption": ["x.png"], "dvc": ["sync"], "export": ["predictions", "--output", "o"]}.get(command, [])
    assert said in refused(capsys, [command, *more])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["caption", "none.png"], "none.png: no such file or folder; check the path"),
        (["crate", "--profile", "none"], "results/none: the results are not finished; run `snakemake"),
        (["verify", "--profile", "none"], "config/none.yaml: cannot be read"),
        (["export", "predictions", "none.jsonl", "--output", "o"], "none.jsonl: no such file; check"),
        (["export", "predictions", "picture.png", "--output", "o"], "picture.png: "),
        ([*GAP, "--output", "o", "--profile", "none"], "config/none.yaml: "),
        ([*GAP, "--output", "o", "--profile", "config/small.yaml"], "config/config/small.yaml.yaml: no such profile"),
        (["dvc", "sync", "--profile", "config/small.yaml"], "config/config/small.yaml.yaml: no such profile"),
        (["dvc", "sync", "--profile", "base"], "config/base.yaml: no such profile"),
        (["dvc", "sync", "--profile=-x"], "config/-x.yaml: no such profile"),
        (["caption", "/dev/zero"], "/dev/zero: a device, no image"),
        (
            ["mirror", "o", "--registry", "none.yaml"],
            "none.yaml: no such file; correct `registry` in the config, or `--registry`",
        ),
        (["mirror", "o", "--registry", "picture.png"], "picture.png: not readable as YAML"),
        (["mirror", "o", "--registry", "."], ".: "),
        (["mirror", "o", "--registry", "/"], "/: "),
        (["trace", "none.md"], "none.md: no such file; name a table"),
        (["trace", "picture.png"], "picture.png: no record names it"),
        (["verify", "none"], "no Snakefile and config/config.yaml in none; name"),
        (["verify", "picture.png"], "picture.png: "),
    ],
)
def test_bad_input_is_named(project, monkeypatch, capsys, arguments, said):
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert said in refused(capsys, arguments)


@pytest.mark.parametrize("command", [*ALL.values(), ["step", "table", "--cfg", "{}", "--output", "x"]])
def test_an_empty_word_is_no_path_and_no_name(project, capsys, command):
    for place in range(1, len(command)):
        assert "nothing stands behind `maccap " in refused(capsys, [*command[:place], "", *command[place + 1 :]])
    assert "nothing stands behind" in refused(capsys, [*command, "--profile="])


@pytest.mark.parametrize("arguments", [["step", "table", "--cfg", cfg] for cfg in ("{", "[1]", "{1: 2}", "(" * 999)])
def test_settings_that_are_no_settings_are_refused(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "no Python dict of dotted config keys" in capsys.readouterr().err


def test_a_missing_program_is_named(project, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert "git" in refused(capsys, ["crate", "--output", "new.zip"])
    assert refusal(FileNotFoundError(errno.ENOENT, "No file", "java")).startswith("java: No file; check the path")


def test_a_full_disk_without_a_name_is_told_by_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = refusal(OSError(errno.ENOSPC, "No space left on device"))
    assert str(tmp_path) in said
    assert "set TMPDIR to a larger folder" in said


def shell(command: str, code: int, **environment: str) -> str:
    """What a shell's command prints, both streams together."""
    own = os.environ | {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable} | environment
    run = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=own, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # workers of pytest-xdist ignore it
    )  # fmt: skip
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    return run.stdout + run.stderr


def test_an_interrupt_is_one_word_if_a_library_turns_it_into_another_error_or_maccap_is_imported(tmp_path):
    Image.new("RGB", (8, 8)).save(image := tmp_path / "x.png")
    (tmp_path / "torch.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise ImportError('initialization failed')\n"
    )
    said = shell(f"$PYTHON -m maccap caption {image} --run daylight", 130, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert said == "maccap caption: interrupted\n"
    (tmp_path / "argparse.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    assert shell("$PYTHON -m maccap doctor", 130, PYTHONPATH=f"{tmp_path}:{ROOT}") == "maccap doctor: interrupted\n"


def test_a_pipe_that_breaks_elsewhere_than_at_the_output_is_named(tmp_path):
    program = tmp_path / "broken.py"
    program.write_text(
        "from maccap import __main__ as maccap\nfrom maccap.cli import main as commands\n"
        "def main():\n    raise BrokenPipeError(32, 'Broken pipe')\n"
        "commands.main = main\nmaccap.run()\n"
    )
    command = f"$PYTHON {program}"
    assert "Broken" in shell(f"{command} > {tmp_path / 'log'}", 2)
    assert shell(f"{command} | cat; exit ${{PIPESTATUS[0]}}", 1) == ""


def test_odd_terminals_get_plain_characters(project):
    trace = f"$PYTHON -m maccap trace {TABLE}"
    said = shell(trace, 0, PYTHONIOENCODING="ascii", COLUMNS="60")
    assert said.isascii()
    assert "\n`- [" in said
    full = shell(f"{trace} > /dev/full", 2)
    assert "No space left on device" in full
    assert full.count("\n") == 1
    assert shell(f"{trace} >&- 2>&- <&-", 0) == ""
