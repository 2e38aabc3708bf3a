"""`maccap.load_run`: a run folder alone captions and answers, wherever it lies, with its own settings."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from maccap import load_run
from maccap.core.errors import DataError, EncoderError
from maccap.inference.run import SHIPPED, ImageCaption
from maccap.methods.registry import needs
from maccap.world.drawing import draw
from maccap.world.scenes import scenes
from tests.helpers import ROOT
from tests.helpers.tiny import GENERATION, SELECTION, TRAINING
from tests.helpers.trained import ANSWERING, RUNS, SEED, describe, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_project(root)
    return root


def folder_of(project: Path, run: str = "maccap") -> Path:
    return project / "artifacts/small/runs/daylight" / run / f"s{SEED}"


def images(count: int = 4) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)) for _ in range(count)]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def copy(project, elsewhere) -> Path:
    """A copy of the run of MacCap in a working directory that has its models."""
    (elsewhere / "models").symlink_to(project / "models")
    return shutil.copytree(folder_of(project), elsewhere / "copy")


def rewrite(copy: Path, **changes: dict[str, Any]) -> None:
    """Change entries of a run.json."""
    about = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(about | {key: about[key] | own for key, own in changes.items()}))


def test_run_json_says_everything_that_training_and_the_config_decided(project):
    about = json.loads((folder_of(project, "viecap") / "run.json").read_text())
    assert {key: about[key] for key in ("method", "seed", "trained", "run")} == {
        "method": "viecap", "seed": SEED, "trained": "daylight", "run": "viecap",
    }  # fmt: skip
    assert about["options"].items() >= RUNS["viecap"].items()
    assert about["training"] == TRAINING.model_dump()
    assert (about["generation"], about["selection"]) == (GENERATION.model_dump(), SELECTION.model_dump())
    assert about["answering"] == ANSWERING
    assert about["encoder"] == {"name": "models/clip", "folder": "models/clip", "pretrained": None, "dtype": "float16"}
    assert about["language_model"] == {"name": "models/opt", "folder": "models/opt", "dtype": "float32"}
    weights = load_file(folder_of(project, "viecap") / "adaptor.safetensors")
    assert about["trainable_parameters"] == sum(value.numel() for value in weights.values())
    assert (about["feature_dim"], about["lm_dim"]) == (32, 32)
    log = [json.loads(line) for line in (folder_of(project, "viecap") / "log.jsonl").read_text().splitlines()]
    assert {"trained": "daylight", "run": "viecap", "seed": SEED} | about["final"] == log[-1]
    assert about["steps"] == log[-1]["step"]


@pytest.mark.parametrize("run", RUNS)
def test_run_json_names_only_what_the_method_reads(project, run):
    found = json.loads((folder_of(project, run) / "run.json").read_text())["resources"]
    assert found.keys() == set(needs(run)) & {"memory", "pairs", "vocabulary"}
    assert found.get("vocabulary", "words.txt") == "words.txt"
    memory = found.get("memory", {"features": [], "captions": "words.txt"})
    assert all((project / path).is_file() for path in [*memory["features"], memory["captions"]])


@pytest.mark.parametrize("run", RUNS)
def test_a_run_captions_and_answers_from_another_working_directory(project, elsewhere, run):
    trained = load_run(folder_of(project, run))
    shown = images()
    captions = trained.caption(shown)
    assert all(isinstance(caption, ImageCaption) for caption in captions)
    for caption in captions:
        assert caption.text == caption.candidates[int(np.argmax(caption.scores))]
        assert all(-1 <= score <= 1 for score in caption.scores)
    assert isinstance(trained.answer(shown[0], "Is there a boat?"), str)


def test_files_and_images_in_memory_get_the_same_captions_in_any_company(project, elsewhere):
    trained = load_run(str(folder_of(project)))
    shown = images()
    for number, image in enumerate(shown):
        image.save(f"{number}.png")
    from_files = trained.caption([Path(f"{number}.png") for number in range(4)])
    assert from_files == trained.caption(shown)
    assert [caption.text for caption in trained.caption([shown[2], shown[0]])] == [
        from_files[2].text, from_files[0].text,
    ]  # fmt: skip
    assert trained.caption(["0.png"])[0].text == from_files[0].text
    assert trained.caption([]) == []
    for one in ("0.png", Path("0.png"), shown[0]):
        with pytest.raises(DataError, match="takes a list of images"):
            trained.caption(one)


def test_a_copy_of_the_folder_works_where_its_models_are_found(project, copy):
    assert load_run("copy").caption(images(1)) == load_run(folder_of(project)).caption(images(1))
    Path("models").unlink()
    with pytest.raises(DataError, match=r"copy: needs models/clip, which is not there \(looked in .*run from"):
        load_run("copy")


def test_shipped_models_are_found_beside_the_package(copy):
    """A run of the embedded world needs nothing but its folder and the package."""
    shipped = [f"maccap/world/weights/{name}" for name in ("clip-scenes", "opt-scenes")]
    encoder, lm = ({"name": path, "folder": path} for path in shipped)
    rewrite(copy, encoder=encoder, language_model=lm)
    with pytest.raises(EncoderError, match="use the encoder and language model that the run was trained with"):
        load_run("copy")  # found, and of another size than the miniature ones


def test_a_model_named_by_its_name_is_read_from_the_workflows_folder_or_else_by_name(copy):
    rewrite(copy, encoder={"name": "no-such-architecture", "pretrained": "no-such-tag"})
    assert load_run("copy").caption(images(1))
    Path("models").unlink()
    with pytest.raises(EncoderError, match="open_clip has no model 'no-such-architecture'"):
        load_run("copy")


def test_settings_of_the_run_decide_how_it_decodes(copy):
    rewrite(copy, selection={"draws": 1})
    assert [len(caption.candidates) for caption in load_run("copy").caption(images(2))] == [1, 1]


def test_changed_settings_change_run_json_and_nothing_else(project, monkeypatch):
    monkeypatch.chdir(project)
    folder = folder_of(Path(), "decap")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    data = Path("artifacts/small/data/daylight")
    describe(folder, sorted(data.glob("*.safetensors")), data / "captions.train.jsonl", **{"generation.beams": 7})
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["run.json"]
    assert json.loads(after["run.json"])["generation"]["beams"] == 7
    (folder / "run.json").write_bytes(before["run.json"])


def test_describing_runs_loads_no_torch():
    code = "import sys; import maccap.steps.describe_run; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"


def set_in(folder: Path, section: str, key: str, value: object) -> None:
    content = json.loads((folder / "run.json").read_text())
    content[section][key] = value
    (folder / "run.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "run.json").unlink(), "no trained run there .* name the folder of one"),
        (lambda run: (run / "adaptor.safetensors").unlink(), "adaptor.safetensors is not there .*crates.*copy it"),
        (lambda folder: (folder / "run.json").write_text("{}"), "run.json: method: Field required"),
        (lambda folder: (folder / "run.json").write_text("{"), "run.json: not valid JSON"),
        (lambda folder: (folder / "run.json").write_text("null"), "run.json: as a whole: Input should be an object"),
        (lambda folder: set_in(folder, "training", "epochs", "x"), "run.json: training.epochs: Input"),
        (lambda folder: set_in(folder, "generation", "beams", 0), "run.json: generation.beams: Input"),
    ],
)
def test_a_folder_that_is_no_whole_run_is_refused(copy, damage, message):
    damage(copy)
    with pytest.raises(DataError, match=message):
        load_run("copy")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: save_file({}, folder / "adaptor.safetensors"), "not the weights of a run"),
        (lambda folder: (folder / "adaptor.safetensors").write_bytes(b"x"), "not the weights of a run"),
        (lambda folder: (folder / "adaptor.safetensors").unlink(), "adaptor.safetensors: no such file; train"),
        (lambda folder: (folder / "log.jsonl").write_text(""), "log.jsonl: not the log of a run"),
        (
            lambda folder: shutil.copy(folder.parents[1] / "decap" / folder.name / "log.jsonl", folder),
            "log.jsonl: is not of the run whose weights are",
        ),
    ],
)
def test_weights_and_a_log_that_do_not_belong_together_are_not_described(
    project, tmp_path, monkeypatch, damage, message
):
    shutil.copytree(project, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    folder = folder_of(Path())
    damage(folder)
    with pytest.raises(DataError, match=message):
        describe(folder, [], Path("none"), **{"generation.beams": 7})


def test_a_run_that_asks_for_bf16_captions_much_as_in_float32_on_a_cpu(elsewhere):
    """Of its candidates for 40 scenes 81 % were the same texts, and the chosen ones' mean cosine differed by 0.007."""
    found = []
    drawn = [draw(scene, rng) for scene, rng in scenes("daylight", "test", 12, 2401)]
    for precision, dtype in (("auto", torch.float32), ("bf16", torch.bfloat16)):
        shutil.copytree(SHIPPED / "daylight", precision)
        about = json.loads((SHIPPED / "daylight/run.json").read_text())
        rewrite(Path(precision), training=about["training"] | {"precision": precision})
        run = load_run(precision)
        assert run.captioner.lm.model.dtype == dtype
        found.append(run.caption(drawn))
    pairs = [pair for full, half in zip(*found) for pair in zip(full.candidates, half.candidates)]
    assert sum(full == half for full, half in pairs) > 0.65 * len(pairs)
    full, half = (np.mean([max(caption.scores) for caption in captions]) for captions in found)
    assert half == pytest.approx(full, abs=0.03)
