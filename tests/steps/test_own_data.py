"""The worked example of docs/own-data.md, run as it stands there on a small data set in COCO's format."""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from maccap.core.project import read_config
from maccap.world.scene_files import write_world
from tests.helpers.checkout import ROOT, SMALLER, TINY, Checkout, make_checkout


def example() -> dict:
    """The config sections that the page gives."""
    page = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return yaml.safe_load(block)


def write_coco(folder: Path, world: Path) -> None:
    """A drawn world as caption files in COCO's format and a folder of images, as the page shows them."""
    images = json.loads((world / "dataset.json").read_text())["images"]
    folder.mkdir(parents=True)
    for split in ("train", "val", "test"):
        own = [image for image in images if image["split"] == split]
        listed = [{"id": image["imgid"], "file_name": image["filename"]} for image in own]
        captions = [
            {"id": sentence["sentid"], "image_id": image["imgid"], "caption": sentence["raw"]}
            for image in own
            for sentence in image["sentences"]
        ]
        (folder / f"{split}.json").write_text(json.dumps({"images": listed, "annotations": captions}))
    with zipfile.ZipFile(world / "images.zip") as archive:
        archive.extractall(folder / "images")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with the example's profile, made as the page says, smaller."""
    made = make_checkout(tmp_path / "checkout")
    config = read_config("world", made.folder) | example()
    config |= {"repeats": 1, "scenes": {"train": 24, "val": 4, "test": 8, "questions": 1}}
    config["runs"] = {name: run | {"repeats": 1} for name, run in config["runs"].items()}
    for name, values in SMALLER.items():
        config[name] |= values
    (made.folder / "config/mine.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    write_world(tmp_path / "world", "chalk", {"train": 24, "val": 4, "test": 8}, 1, seed=8)
    write_coco(made.folder / "data/remote", tmp_path / "world")
    return made


def test_the_example_plans(checkout: Checkout) -> None:
    planned = checkout.snakemake_plan("--configfile", "config/mine.yaml")
    assert {"captions-remote", "pack-images-remote", "train-remote-maccap-2401", "train-daylight-decap-2401"} <= planned
    assert {"predict-daylight-clipre-1", "evaluate-remote", "gap-remote", "table-cross-domain", "report"} <= planned
    assert not any("vqa" in job or "reported" in job for job in planned)


@pytest.mark.drivers
def test_an_image_that_is_replaced_is_packed_again_under_both_drivers(checkout: Checkout) -> None:
    mine = ("--configfile", "config/mine.yaml")
    archive = "artifacts/mine/data/remote/images.zip"

    def decided() -> object:
        checkout.sync("--profile", "mine")
        checkout.sync("--check", "--profile", "mine")
        return json.loads(checkout.text(".snakemake/dvc-mine/pack-images-remote.json"))

    checkout("snakemake", "--cores", "2", archive, *mine)
    assert "pack-images-remote" not in checkout.snakemake_plan(archive, *mine)
    before = decided()
    images = sorted((checkout.folder / "data/remote/images").rglob("*.jpg"))
    images[-1].write_bytes(images[0].read_bytes())
    assert checkout.snakemake_plan(archive, *mine) == {"pack-images-remote"}
    assert decided() != before
    checkout("snakemake", "--cores", "2", archive, *mine)
    images[0].with_name("new.jpg").write_bytes(images[0].read_bytes())
    assert checkout.snakemake_plan(archive, *mine) == {"pack-images-remote"}
    for gone in ("images", "val.json"):
        (path := checkout.folder / "data/remote" / gone).rename(kept := path.with_name("kept"))
        told = f"data/remote/{gone}: no such file or folder"
        assert told in checkout("snakemake", "--dry-run", archive, *mine, fails=True)
        kept.rename(path)
    assert "captions-remote" not in checkout.snakemake_plan(archive, *mine)
    captions = checkout.folder / "data/remote/val.json"
    captions.write_text(captions.read_text().replace("A ", "One "))
    os.utime(captions, (1, 1))  # as `cp -p`, `unzip` and `rsync` leave it
    assert "captions-remote" in checkout.snakemake_plan(archive, *mine)


@pytest.mark.drivers
def test_any_path_will_do_and_half_an_image_is_named_where_it_lies_until_it_is_mended(checkout: Checkout) -> None:
    place = "data/my pictures [1]/it's -x, 50% ü $HOME"
    (checkout.folder / place).parent.mkdir()
    (checkout.folder / "data/remote").rename(checkout.folder / place)
    config = checkout.text("config/mine.yaml").replace("data/remote", place.replace("'", "''"))
    (checkout.folder / "config/mine.yaml").write_text(re.sub(r"file: (.*)", r"file: '\1'", config), encoding="utf-8")
    archive = "artifacts/mine/data/remote/images.zip"
    command = ("snakemake", "--cores", "2", archive, "--configfile", "config/mine.yaml")
    image = sorted((checkout.folder / place / "images").rglob("*.jpg"))[-1]
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    told = f"{image.relative_to(checkout.folder)}: cannot be read as an image (OSError: image file is truncated"
    checkout(*command, fails=True)
    assert told in checkout.text("logs/mine/pack_images/remote.log")
    image.write_bytes(whole)
    checkout(*command)
    with zipfile.ZipFile(checkout.folder / archive) as made:
        assert made.read(image.name) == whole


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another disk."""
    disk = Path("/dev/shm")
    if not os.access(disk, os.W_OK):
        pytest.skip(f"puts images on another disk: needs {disk}")
    with TemporaryDirectory(dir=disk) as folder:
        yield Path(folder)


@pytest.mark.drivers
def test_whatever_becomes_of_own_data_snakemake_dvc_and_verify_notice(checkout, tmp_path, elsewhere):
    """The images are a link to another disk; captions lie at an absolute path and a relative one, neither in git."""
    outside, inside = tmp_path / "my data [1]", checkout.folder / "data/remote"
    (inside / "images").rename(tmp_path / "images")
    shutil.copytree(tmp_path / "images", images := elsewhere / "images (2)")
    (inside / "images").symlink_to(images)
    outside.mkdir()
    (inside / "test.json").rename(captions := outside / "test.json")
    config = yaml.safe_load(checkout.text("config/mine.yaml"))
    config["datasets"] = {"remote": config["datasets"]["remote"] | {"test": {"file": str(captions)}}}
    config["tables"] = TINY["tables"] | {"in_domain": config["tables"]["in_domain"] | {"experiments": ["maccap"]}}
    (checkout.folder / "config/mine.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    checkout.edit("config/config.yaml", "profile: tiny", "profile: mine")
    checkout.append(".gitignore", "/data\n")
    checkout.sync()
    checkout.commit()

    def well() -> None:
        assert checkout.snakemake_plan() == checkout.dvc_plan() == set()
        assert "all is as the records say" in checkout("python", "-m", "maccap", "verify")

    checkout.snakemake_run()
    checkout.record()
    well()
    everything = set(checkout.stages()) | {"manifest"}
    reads_captions = {"captions-remote", "text-features-remote", "train-remote-maccap-2401", "training-figure"}
    of_images = everything - reads_captions - {"describe-run-remote-maccap-2401"}
    first, second = sorted(images.rglob("*.jpg"))[-2:]
    new, gone, folder = images / "new.jpg", elsewhere / "gone.jpg", "data/remote/images"
    whole, told = first.read_bytes(), captions.read_text()
    other = told.replace(" a ", " b ", 1)
    for change, revert, stale, named in (
        (lambda: first.write_bytes(second.read_bytes()), lambda: first.write_bytes(whole), of_images, folder),
        (lambda: first.rename(gone), lambda: gone.rename(first), of_images, folder),
        (lambda: shutil.copy(first, new), new.unlink, of_images, folder),
        (lambda: captions.write_text(other), lambda: captions.write_text(told), everything, captions),
    ):  # fmt: skip
        change()
        assert checkout.snakemake_plan() == checkout.dvc_plan() == stale
        assert f"{named}: h" in checkout("python", "-m", "maccap", "verify", fails=True)
        revert()
    well()

    first.write_bytes(second.read_bytes())
    captions.write_text(other)
    assert checkout.snakemake_run() == everything
    checkout.record()
    well()
    checkout("python", "-m", "maccap", "crate")
    assert "all is as the records say" in checkout("python", "-m", "maccap", "verify", "results/mine/crate.zip")


@pytest.mark.paper
def test_the_example_runs(checkout: Checkout) -> None:
    checkout("snakemake", "--cores", "2", "--configfile", "config/mine.yaml")
    table = json.loads(checkout.text("results/mine/tables/in_domain.json"))
    assert [row["labels"] for row in table["rows"]] == [
        ["Remote sensing", label] for label in ("MacCap", "CapDec", "DeCap", "CLIPRe", "human (one reference)")
    ]
    crossed = json.loads(checkout.text("results/mine/tables/cross_domain.json"))
    assert {row["labels"][0] for row in crossed["rows"]} == {"Daylight → Remote sensing"}
    trained = json.loads(checkout.text("artifacts/mine/runs/remote/maccap/s2401/run.json"))
    assert trained["training"]["epochs"] == example()["datasets"]["remote"]["training"]["epochs"]
    assert "Remote sensing" in checkout.text("results/mine/tables/gap.md")
    assert "Nothing to be done" in checkout("snakemake", "-n", "--configfile", "config/mine.yaml")
    [image, *_] = sorted((checkout.folder / "data/remote/images").rglob("*.jpg"))
    image.write_bytes(image.read_bytes() + b" ")
    out = checkout("python", "-m", "maccap", "verify", "--profile", "mine", fails=True)
    assert "data/remote/images: holds other images than when the job of " in out
