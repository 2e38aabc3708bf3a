"""The diagrams of docs/ show the method and the rules as they are."""

from html import unescape
from pathlib import Path

from maccap.graph.diagrams import METHOD, diagrams, draw, method_diagram, workflow_diagram
from tests.helpers import ROOT

EDGES = {("scenes", "captions"), ("captions", "train"), ("train", "table"), ("captions", "table"), ("scenes", "table")}
FILES = {"data": ("scenes", "captions"), "train": ("train",), "results": ("table",)}


def test_the_diagrams_in_docs_are_those_of_the_code_and_the_workflow(monkeypatch):
    monkeypatch.chdir(ROOT)
    for path, diagram in diagrams().items():
        assert diagram.text in unescape(path.read_text(encoding="utf-8")), f"{path} is stale: run `make diagrams`"


def test_rules_stand_below_what_they_read_and_ways_over_others_are_not_drawn_twice(tmp_path: Path):
    for name, rules in FILES.items():
        (tmp_path / f"{name}.smk").write_text("".join(f"rule {rule}:\n" for rule in rules))
    found = workflow_diagram(EDGES, tmp_path.glob("*.smk"))
    assert found.arrows == [("captions", "train"), ("scenes", "captions"), ("train", "table")]
    found = workflow_diagram(EDGES - {("captions", "train")}, tmp_path.glob("*.smk"))
    assert ("captions", "captions/2", "table") in found.arrows, "past the row of training"
    boxes = [found.boxes[rule] for rules in FILES.values() for rule in rules]
    assert [box.y for box in boxes] == sorted({box.y for box in boxes})
    assert abs(found.boxes["captions/2"].x - found.boxes["train"].x) > found.boxes["train"].width / 2


def test_equal_diagrams_have_equal_bytes(tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        draw(method_diagram(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert METHOD.suffix == ".svg"
