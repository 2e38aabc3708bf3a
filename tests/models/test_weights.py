"""Files that lie in place of a model's: what each is stands in the message, never an advice to trust it."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from maccap.core.errors import ConfigError, DataError, EncoderError, MaccapError
from maccap.models.encoder import load_encoder
from maccap.models.language_model import load_language_model
from maccap.models.weights import model_files
from tests.helpers.tiny import SHIPPED

FALSE = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS"),
    "page": (b"<!DOCTYPE html><p>Sign in", "an HTML page"), "empty": (b"", "it is empty"),
}  # fmt: skip
false_file = pytest.mark.parametrize(("data", "what"), FALSE.values(), ids=FALSE)


@pytest.fixture(params=["clip-scenes", "opt-scenes"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / request.param, tmp_path / request.param))


def load(folder: Path) -> None:
    if folder.name.startswith("clip"):
        load_encoder(str(folder))
    else:
        load_language_model(str(folder))


@false_file
def test_every_file_of_a_folder_is_looked_at(folder: Path, data: bytes, what: str) -> None:
    for path in sorted(path for path in folder.iterdir() if path.suffix != ".md"):
        whole = path.read_bytes()
        path.write_bytes(data)
        for call in (load, model_files):
            with pytest.raises(DataError, match=rf"{path.name}: it is {what.removeprefix('it is ')}"):
                call(folder)
        path.write_bytes(whole)
    assert model_files(folder) == sorted(str(path) for path in folder.iterdir() if path.name != "README.md")


@false_file
@pytest.mark.parametrize("suffix", ["pt", "bin", "safetensors"])
def test_a_weights_file_is_looked_at(tmp_path: Path, suffix: str, data: bytes, what: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"weights\.{suffix}: it is {what.removeprefix('it is ')}"):
        load_encoder("ViT-B-32", str(path))


def test_what_is_no_pickle_is_called_so_without_an_advice_to_trust_it(tmp_path: Path) -> None:
    for name, data in (("text.pt", b"hello weights, hello"), ("numbers.bin", bytes(range(256)))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EncoderError, match=rf"{name}.* damaged, or of another kind") as caught:
            load_encoder("ViT-B-32", str(tmp_path / name))
        assert "weights_only" not in str(caught.value)
    opt = Path(shutil.copytree(SHIPPED / "opt-scenes", tmp_path / "opt"))
    (opt / "model.safetensors").unlink()
    (opt / "pytorch_model.bin").write_bytes(b"hello weights, hello")
    with pytest.raises(ConfigError) as refused:
        load_language_model(str(opt))
    assert "weights_only" not in str(refused.value)


@pytest.mark.parametrize("text", ["[]", "{", json.dumps({"model_cfg": 7}), "null"])
def test_a_damaged_description_is_no_traceback(folder: Path, text: str) -> None:
    for path in folder.glob("*.json"):
        whole = path.read_bytes()
        path.write_text(text)
        try:
            load(folder)
        except MaccapError as error:
            assert str(folder) in str(error)  # noqa: PT017
        path.write_bytes(whole)
    assert torch.get_default_dtype() == torch.float32
