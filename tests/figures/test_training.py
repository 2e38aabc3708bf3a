"""The training figure draws the runs by their names."""

import json
from pathlib import Path

from maccap.figures.figures import training_curves, training_figure


def test_a_run_whose_name_is_a_number_is_drawn_with_its_label_as_it_is(tmp_path: Path) -> None:
    line = {"trained": "daylight", "run": "1", "seed": 3, "step": 2, "loss": 1.5, "validation_loss": 1.25}
    (tmp_path / "log.jsonl").write_text(json.dumps(line) + "\n")
    curves = training_curves([tmp_path / "log.jsonl"])
    assert curves.to_dict("records") == [line]
    training_figure(curves, [tmp_path / "training.svg"], {"daylight": r"$\Daylight$"}, {"1": "$5 or $6"})
    drawn = (tmp_path / "training.svg").read_text()
    assert "$5 or $6" in drawn, "and not as mathematics"
    assert r"Text-only training, $\Daylight$" in drawn
