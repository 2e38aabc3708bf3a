"""Whether captions name what is there, counted by hand."""

import numpy as np
import pytest

from maccap.data.scenes import Contents
from maccap.metrics.bootstrap import of_totals
from maccap.metrics.registry import CaptionSet, References, metric_named

CONTENTS = Contents(
    {"box": "box", "boxes": "box", "fish": "fish", "star": "star", "stars": "star"},
    frozenset({"red", "blue", "orange"}),
    {1: frozenset({("box", "red"), ("fish", "blue")}), 2: frozenset({("star", "orange")}), 3: frozenset()},
)
CAPTIONS = {
    1: ("two red boxes beside a red fish", [2, 2, 2, 1, 1]),
    2: ("an orange star and a box in the middle of two blue stars", [3, 2, 2, 1, 1]),
    3: ("nothing on the sand", [0, 0, 0, 0, 1]),
}


def test_nouns_and_colours_are_shares_of_what_is_said() -> None:
    texts = [text for text, _ in CAPTIONS.values()]
    metric = metric_named("Nouns")
    [found] = metric.score([CaptionSet(References([["a"]] * 3), texts, contents=CONTENTS, images=list(CAPTIONS))])
    assert found.statistics == [row for _, row in CAPTIONS.values()]
    assert found.scores["Nouns"] == (pytest.approx(100 * 4 / 5), pytest.approx([100, 100 * 2 / 3, 0]))
    assert found.scores["Colours"] == (pytest.approx(100 * 2 / 4), pytest.approx([50, 50, 0]))
    assert found.scores["Nouns said"] == (pytest.approx(5 / 3), pytest.approx([2, 3, 0]))
    for name in metric.names:
        assert of_totals(name, np.sum(found.statistics, axis=0)) == pytest.approx(found.scores[name][0])


def test_captions_of_other_images_than_drawn_ones_have_no_such_score() -> None:
    captions = CaptionSet(References([["a box"]]), ["a box"])
    assert metric_named("Colours").score([captions])[0].scores == {}
