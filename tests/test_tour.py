"""The notebook docs/tour.ipynb: its cells run one after the other, as a reader would run them."""

import matplotlib as mpl
import nbformat
import pytest

from tests.helpers import ROOT


def test_every_cell_of_the_tour_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT / "docs")
    monkeypatch.setattr("sys.argv", ["tour"])
    mpl.use("Agg")
    book = nbformat.read("tour.ipynb", as_version=4)
    nbformat.validate(book)
    names: dict[str, object] = {}
    for cell in book.cells:
        if cell.cell_type == "code":
            assert not cell.outputs, "clear the outputs: they would go stale"
            assert len(cell.source.splitlines()) <= 12
            exec(compile(cell.source, cell.id, "exec"), names)
    said = capsys.readouterr().out
    assert f"{names['made'].text} <- chosen" in said
    assert said.count("(right: ") == 4
    assert "computed again" in said, "the number is traced"
