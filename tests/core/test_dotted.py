"""Dotted keys and their sections."""

from maccap.core.dotted import leaves, sections

CONFIG = {"seed": 1, "training": {"epochs": 2, "noise": {"variance": 0.1, "copies": None}}, "gap": {}}


def test_leaves_are_all_values_under_dotted_keys():
    assert leaves("", CONFIG) == {
        "seed": 1, "training.epochs": 2, "training.noise.variance": 0.1, "training.noise.copies": None,
    }  # fmt: skip
    assert leaves("training.epochs", 2) == {"training.epochs": 2}


def test_a_section_stands_for_its_keys_only_when_all_are_there():
    everything = set(leaves("", CONFIG))
    assert sections(everything, CONFIG) == ["seed", "training"]
    assert sections(everything - {"training.epochs"}, CONFIG) == ["seed", "training.noise"]
    assert sections({"training.noise.copies"}, CONFIG) == ["training.noise.copies"]
    assert sections(set(), CONFIG) == []
