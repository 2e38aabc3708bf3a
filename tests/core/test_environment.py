"""The pins in their two forms, and what the package says of itself."""

import re

import yaml

from tests.helpers import ROOT


def pins() -> list[str]:
    return [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]


def test_every_line_of_the_lock_is_an_exact_pin():
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[^ ]+", pin) for pin in pins())


def test_conda_installs_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip == pins()


def test_torch_and_torchvision_are_a_matching_pair():
    versions = dict(pin.split("==") for pin in pins())
    assert (versions["torch"], versions["torchvision"]) == ("2.14.1", "0.29.2")


def test_shipped_models_are_small_safetensors_with_a_card():
    for name, file in (("clip-scenes", "open_clip_model.safetensors"), ("opt-scenes", "model.safetensors")):
        folder = ROOT / "maccap" / "world" / "weights" / name
        assert (folder / file).stat().st_size < 8_000_000
        assert "Licence" in (folder / "README.md").read_text()
