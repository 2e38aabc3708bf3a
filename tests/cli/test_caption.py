"""`maccap caption`: images of any kind and folders of them, explained on request, by a trained run."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from subprocess import DEVNULL, Popen

import numpy as np
import pytest
from PIL import Image

from maccap import load_run
from maccap.cli.caption import drawing_names, json_list
from maccap.cli.main import main
from maccap.data.images import read_image
from maccap.metrics.instruments import plural
from maccap.world.scenes import NOUNS
from tests.helpers import ROOT, wait_for
from tests.helpers.tiny import SELECTION
from tests.helpers.trained import SEED, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_project(root)
    return root


@pytest.fixture
def here(project, tmp_path, monkeypatch) -> Path:
    """A working directory outside the project, with a folder of images of several kinds."""
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    colour = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 140, 3), dtype=np.uint8))
    colour.save("images/colour.png")
    colour.convert("L").save("images/gray.jpg")
    colour.convert("CMYK").save("images/cmyk.jpg")
    return tmp_path


def test_images_of_any_kind_are_captioned_and_explained(project, here, capsys):
    run = ["--run", str(project / f"artifacts/small/runs/daylight/maccap/s{SEED}")]
    assert main(["caption", "images", "--output", "captions.json", "--explain", "explained", *run]) == 0
    rows = json.loads(Path("captions.json").read_text())
    assert [Path(row["file"]).name for row in rows] == ["cmyk.jpg", "colour.png", "gray.jpg"]
    assert all(row["caption"] in row["candidates"] for row in rows)
    assert all(len(row["candidates"]) == len(row["scores"]) == SELECTION.draws for row in rows)
    assert sorted(path.name for path in Path("explained").iterdir()) == [
        "cmyk.subregions.png", "colour.subregions.png", "gray.subregions.png",
    ]  # fmt: skip
    with Image.open("explained/gray.subregions.png") as drawn:
        assert min(drawn.size) > 300
    capsys.readouterr()
    assert main(["caption", "images/gray.jpg", *run]) == 0
    assert json.loads(capsys.readouterr().out) == [rows[2]]


def test_one_that_cannot_be_read_does_not_cost_the_others_their_captions(project, here, capsys):
    """Each caption is that of the image alone; hidden files, as macOS leaves them, are none."""
    odd = os.fsdecode(b"caf\xe9.png")
    for name in ("._colour.png", "broken.png"):
        Path("images", name).write_bytes(b"no image")
    shutil.copy("images/colour.png", f"images/{odd}")
    os.mkfifo("images/pipe.png")
    run = ["--run", str(project / f"artifacts/small/runs/daylight/maccap/s{SEED}")]
    assert main(["caption", "images", "--output", "captions.json", *run]) == 2
    said = capsys.readouterr().err
    assert "images/broken.png: cannot be read as an image" in said
    assert said.splitlines()[-1].endswith("images/broken.png: not captioned, as said above; the other 4 are")
    rows = json.loads(Path("captions.json").read_text(encoding="utf-8"))
    assert [row.pop("file") for row in rows] == [f"images/{n}" for n in (odd, "cmyk.jpg", "colour.png", "gray.jpg")]
    assert rows[0] == rows[2]
    assert main(["caption", "images/broken.png", *run]) == 2
    assert capsys.readouterr().err.endswith("not captioned, as said above; replace or remove what cannot be read\n")


def test_captions_made_before_a_failure_are_whole_json(tmp_path):
    rows = [{"file": "a"}, {"file": {"what JSON does not have"}}]
    with pytest.raises(TypeError), json_list(tmp_path / "new/c.json") as add:
        list(map(add, rows))
    assert json.loads((tmp_path / "new/c.json").read_text()) == [{"file": "a"}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_said_of_the_file_that_is_written():
    with pytest.raises(OSError, match="/dev/full"), json_list(Path("/dev/full")) as add:
        add({"file": "a"})


def test_captions_are_a_whole_list_also_when_a_scheduler_ends_the_process(here):
    command = [sys.executable, "-m", "maccap", "caption", *(500 * ["images/gray.jpg"]), "--output", "captions.json"]
    with Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=DEVNULL) as process:
        wait_for(lambda: Path("captions.json").exists() and Path("captions.json").read_text().count("\n") > 2)
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert len(json.loads(Path("captions.json").read_text())) > 2


def test_a_folder_of_images_may_hold_other_things(here):
    Path("images/folder.jpg").mkdir()
    os.mkfifo("images/pipe.png")
    shutil.copy("images/gray.jpg", "images/camera.JFIF")
    assert main(["caption", "images", "--output", "captions.json"]) == 0
    named = [Path(row["file"]).name for row in json.loads(Path("captions.json").read_text())]
    assert named == ["camera.JFIF", "cmyk.jpg", "colour.png", "gray.jpg"]


def test_a_folder_that_cannot_be_listed_is_not_called_empty(here, monkeypatch, capsys):
    def refused(place):
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(os, "listdir", refused)
    monkeypatch.setattr(os, "scandir", refused)
    assert main(["caption", "images"]) == 2
    assert "images: Permission denied; allow it there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/x.jpg", "a/y.png"], ["x", "y"]), (["a/x.jpg", "a/x.png"], ["x.jpg", "x.png"]),
        (["a/x.jpg", "b/x.jpg"], ["a/x.jpg", "b/x.jpg"]), (["a/x.jpg", "a/x.jpg"], ["x"]),
        (["a/x.jpg", "a/../b/x.jpg"], ["a/x.jpg", "b/x.jpg"]),
    ],
)  # fmt: skip
def test_every_image_has_a_drawing_of_its_own(files, names):
    assert list(drawing_names([Path(file) for file in files]).values()) == [f"{name}.subregions.png" for name in names]


@pytest.mark.parametrize(
    "options",
    [
        ["images/gray.jpg", "--output", "images/gray.jpg"], ["images", "--output", "linked/colour.png"],
        ["images", "x.subregions.png", "x.png", "--explain", "."],
        ["x.png", "--run", "run", "--output", "run/run.json"],
        ["x.png", "--explain", "images", "--output", "images/x.subregions.png"],
    ],
)  # fmt: skip
def test_no_image_is_written_over(here, capsys, options):
    Path("linked").symlink_to("images")
    Path("run").mkdir()
    Path("run/run.json").touch()
    for name in ("x.png", "x.subregions.png"):
        shutil.copy("images/colour.png", name)
    before = {path: path.read_bytes() for path in Path().rglob("*.*")}
    assert main(["caption", *options]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*.*")} == before


def test_inside_a_project_its_first_maccap_run_is_taken(project, here, monkeypatch, capsys):
    monkeypatch.chdir(project)
    assert main(["caption", str(here / "images/gray.jpg")]) == 0
    assert json.loads(capsys.readouterr().out)[0]["file"].endswith("gray.jpg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], "empty: no images in it"),
        (["broken.jpg", "--run", "RUN"], "broken.jpg: cannot be read as an image"),
        (["images/gray.jpg", "--run", "nowhere"], "nowhere: no trained run there (no run.json); name the folder"),
    ],
)
def test_what_cannot_be_captioned_is_said_in_one_line(project, here, capsys, arguments, message):
    Path("empty").mkdir()
    Path("broken.jpg").write_bytes(Path("images/gray.jpg").read_bytes()[:400])
    run = str(project / f"artifacts/small/runs/daylight/maccap/s{SEED}")
    assert main(["caption", *(run if word == "RUN" else word for word in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_where_no_run_is_named_the_packages_own_captions(here, capsys):
    image = read_image("images/colour.png")
    assert main(["caption", "images/colour.png"]) == 0
    said = capsys.readouterr()
    assert "the package's own run, which knows only drawn scenes" in said.err
    assert json.loads(said.out)[0]["caption"] == load_run("daylight").caption([image])[0].text


@pytest.mark.parametrize("domain", ["daylight", "chalk"])
def test_the_scenes_of_the_guide_have_captions_in_the_words_of_their_domain(domain, capsys):
    assert main(["caption", "--run", domain, str(ROOT / f"docs/scenes/{domain}.jpg")]) == 0
    [row] = json.loads(capsys.readouterr().out)
    nouns = {form for noun in NOUNS for form in (noun, plural(noun))}
    assert set(row["caption"].lower().rstrip(".").split()) & nouns
