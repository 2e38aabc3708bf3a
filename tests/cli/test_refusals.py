"""Whatever user, disk or terminal do: one line with the command, the fault and the remedy, no traceback."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from maccap.cli.main import main
from maccap.core.errors import refusal
from maccap.graph.snakemake_graph import Graph
from tests.helpers import ROOT
from tests.helpers.small_project import PREDICTIONS, TABLES

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
    monkeypatch.setattr("maccap.cli.gap._captions", lambda path: [])
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
    arguments = [word.replace("OUT", "new") for word in ALL[command]]
    said = refused(capsys, arguments)
    assert os.strerror(number) in said
    assert "; free space" in said or "; allow it" in said


@pytest.mark.parametrize("command", ALL)
def test_an_interrupt_is_one_word(project, monkeypatch, capsys, command):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", interrupt)
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
        (["export", "predictions", "none.jsonl", "--output", "o"], "none.jsonl: no such file; check"),
        (["export", "predictions", "picture.png", "--output", "o"], "picture.png: "),
        ([*GAP, "--output", "o", "--profile", "none"], "config/none.yaml: "),
        (["mirror", "o", "--registry", "none.yaml"], "none.yaml: no such file; name the registry"),
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
    assert refusal(FileNotFoundError(errno.ENOENT, "No such file", "java")).startswith(
        "java: No such file; check the path"
    )


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


def test_an_interrupt_that_a_library_turns_into_another_error_is_one_word(tmp_path):
    Image.new("RGB", (8, 8)).save(image := tmp_path / "x.png")
    (tmp_path / "torch.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise ImportError('initialization failed')\n"
    )
    said = shell(f"$PYTHON -m maccap caption {image} --run daylight", 130, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert said == "maccap caption: interrupted\n"


def test_an_interrupt_while_maccap_is_imported_is_one_word(tmp_path):
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
