"""Tables that compare: marks and intervals against resampling by hand, the order of sweeps, notes of methods."""

import json
from pathlib import Path

import numpy as np
import pytest

from maccap.core.errors import DataError
from maccap.metrics.bootstrap import difference_interval, resampled
from maccap.tables.build import build
from maccap.tables.captions import MARK, Paired, captions, comparison, sweep, swept
from maccap.tables.table import BOUND, DIFFERENCE, Cell

IMAGES, SEEDS = 60, (1, 2, 3)
CFG = {
    "profile": "mini", "reduced": True, "seed": 5, "table": "t", "tables.t.reference": "base",
    "datasets.coco.label": "COCO", "datasets.flickr.label": "Flickr",
    "experiments.base.label": "Base", "experiments.better.label": "Better", "experiments.same.label": "Same",
    "experiments.better.raises": "it helps", "experiments.same.lowers": "nothing helps",
    "experiments.better.note": "has more of it",
}  # fmt: skip


def scores(shift: float, seed: int) -> dict:
    """A metric file whose CIDEr and other means are about 50 + shift; every image has its own difficulty."""
    difficulty = np.random.default_rng(0).normal(0, 20, IMAGES)
    own = np.random.default_rng([seed, int(1000 * shift)]).normal(50 + shift, 2, IMAGES) + difficulty
    bleu = [[10, 10, 9, 8, 7, 6 + i % 3, 4, 3, 2] for i in range(IMAGES)]
    meteor = [[10, 10, 4, 4, *([3, 3, 2, 2] * 4), 2, 5, 5] for _ in range(IMAGES)]
    names = ("ROUGE-L", "CIDEr", "CLIPScore", "RefCLIPScore")
    corpus = {name: float(own.mean()) for name in names} | {f"BLEU-{n}": 30.0 for n in range(1, 5)} | {"METEOR": 25.0}
    return {
        "corpus": corpus,
        "per_item": {str(i): dict.fromkeys(names, float(value)) for i, value in enumerate(own)},
        "statistics": {str(i): {"BLEU": bleu[i], "METEOR": meteor[i]} for i in range(IMAGES)},
    }


@pytest.fixture
def metrics(tmp_path: Path) -> list[Path]:
    files = []
    for experiment, shift in (("base", 0.0), ("better", 4.0), ("same", 0.001)):
        for seed in SEEDS:
            files.append(tmp_path / f"coco/{experiment}/coco/s{seed}.json")
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            files[-1].write_text(json.dumps(scores(shift, seed)))
    return files


def by_column(row, columns) -> dict:
    return dict(zip(columns, row.cells, strict=True))


def test_the_interval_is_that_of_resampling_images_and_seeds_by_hand() -> None:
    ours, base = (np.stack([[scores(shift, seed)["per_item"][str(i)]["CIDEr"] for i in range(IMAGES)]
                            for seed in SEEDS]) for shift in (4.0, 0.0))  # fmt: skip
    rows = [[np.stack([of, np.ones(IMAGES)], axis=1) for of in side] for side in (ours, base)]
    found = difference_interval(*(resampled("CIDEr", side, 4000, seed=1) for side in rows), seed=2)
    generator, by_hand = np.random.default_rng(9), []
    for _ in range(4000):
        images, seeds = generator.integers(IMAGES, size=IMAGES), generator.integers(3, size=3)
        by_hand.append(ours[np.ix_(seeds, images)].mean() - base[np.ix_(seeds, images)].mean())
    assert found == pytest.approx(np.percentile(by_hand, (2.5, 97.5)), abs=0.1)


def test_equal_runs_differ_by_nothing_and_seeds_alone_make_an_interval_wide() -> None:
    same = np.random.default_rng(0).normal(size=(5000, 3))
    assert difference_interval(same, same) == (0.0, 0.0)
    low, high = difference_interval(same + np.array([1.0, 2.0, 6.0]), same)
    assert low == pytest.approx(1.0)
    assert high == pytest.approx(6.0)


def test_marks_stand_where_the_interval_leaves_out_zero(metrics: list[Path]) -> None:
    table = captions(metrics, CFG, "T")
    base, better, same = (by_column(row, table.columns) for row in table.rows)
    assert [row.labels for row in table.rows] == [["COCO", "Base"], ["COCO", "Better"], ["COCO", "Same"]]
    assert better["CIDEr"].mark == MARK
    assert better["BLEU-4"].mark == same["CIDEr"].mark == base["CIDEr"].mark == ""
    assert any(note.startswith(f"{MARK} differs from Base") for note in table.notes)
    assert "Better: has more of it." in table.notes


def test_without_a_reference_nothing_is_marked(metrics: list[Path]) -> None:
    cfg = {key: value for key, value in CFG.items() if key != "tables.t.reference"}
    table = captions(metrics, cfg, "T")
    assert not any(cell.mark for _, _, cell in table.numbers())
    assert not any(note.startswith(MARK) for note in table.notes)


def test_other_images_are_not_compared(metrics: list[Path]) -> None:
    fewer = json.loads(metrics[3].read_text())
    del fewer["per_item"]["7"], fewer["statistics"]["7"]
    metrics[3].write_text(json.dumps(fewer))
    base, ours, first = (
        {str(path): json.loads(path.read_text()) for path in part} for part in (metrics[:3], metrics[3:6], metrics[3:4])
    )
    assert not Paired(ours, base, 1).comparable
    assert not Paired(first, base, 1).comparable
    assert not any(cell.mark for row, _, cell in captions(metrics, CFG, "T").numbers() if "Better" in row.labels)
    with pytest.raises(DataError, match="scores other images than"):
        comparison(metrics, CFG, "T")


def test_published_predictions_are_not_marked_and_their_images_are_counted(metrics: list[Path], tmp_path: Path) -> None:
    published = tmp_path / "coco/theirs/coco/published.json"
    published.parent.mkdir(parents=True)
    published.write_text(json.dumps(scores(9.0, 1) | {"images": 4982, "of": 5000}))
    table = captions([*metrics, published], CFG | {"experiments.theirs.label": "Theirs"}, "T")
    assert not any(cell.mark for row, _, cell in table.numbers() if "Theirs" in row.labels)
    assert "Theirs, COCO: for 4,982 of 5,000 images; never marked." in table.notes


def test_a_comparison_has_the_difference_its_interval_and_a_verdict(metrics: list[Path]) -> None:
    table = comparison(metrics, CFG, "T")
    better = by_column(table.rows[1], table.columns)
    ours, base = ([scores(shift, seed)["corpus"]["CIDEr"] for seed in SEEDS] for shift in (4.0, 0.0))
    delta, low, high = (better[column] for column in ("ΔCIDEr", "Δ 95 % low", "Δ 95 % high"))
    assert (delta.kind, low.kind, high.kind) == (DIFFERENCE, BOUND, BOUND)
    assert delta.value == pytest.approx(np.mean(ours) - np.mean(base))
    assert 0 < low.value < delta.value < high.value
    assert delta.files == low.files == [str(path) for path in (*metrics[3:6], *metrics[:3])]
    assert table.rows[0].cells[-3:] == [None, None, None]
    told = "\n".join(table.notes)
    assert "Claim “it helps”: holds, CIDEr +" in told
    assert "Claim “nothing helps”: is undecided" in told


def test_a_sweep_is_in_the_order_of_its_values(metrics: list[Path]) -> None:
    cfg = CFG | {
        "tables.t.key": "training.noise_variance", "training.noise_variance": 0.016,
        "runs.a.training.noise_variance": 0.064, "experiments.base.run": "a",
        "experiments.better.run": "b", "experiments.same.run": "a",
        "experiments.same.training.noise_variance": 0.001,
        **{f"experiments.{name}.decoding.draws": 1 for name in ("base", "better", "same")},
        "experiments.same.decoding.beams": 2,
    }  # fmt: skip
    assert [swept(cfg, name, cfg["tables.t.key"]) for name in ("base", "better", "same")] == [0.064, 0.016, 0.001]
    table = sweep(metrics, cfg, "T")
    assert [row.labels for row in table.rows] == [["0.001"], ["0.016"], ["0.064"]]
    assert table.headers == ["noise variance (training)"]
    assert "In every row: draws 1." in table.notes
    cider = by_column(table.rows[1], table.columns)["CIDEr"]
    assert isinstance(cider, Cell)
    assert cider.files == [str(path) for path in metrics[3:6]]
    assert table.rows[1].cells[-3:] == [None, None, None], "0.016 is the profile's own value"
    assert "Δ: difference to 0.016, the profile's value" in table.notes[-1]
    changed = by_column(table.rows[2], table.columns)
    ours, base = ([scores(shift, seed)["corpus"]["CIDEr"] for seed in SEEDS] for shift in (0.0, 4.0))
    assert changed["ΔCIDEr"].value == pytest.approx(np.mean(ours) - np.mean(base))
    assert changed["Δ 95 % low"].value < changed["ΔCIDEr"].value < changed["Δ 95 % high"].value < 0


def test_a_sweep_without_the_profiles_value_has_no_differences(metrics: list[Path]) -> None:
    cfg = CFG | {
        "tables.t.key": "decoding.draws", "decoding.draws": 4,
        **{f"experiments.{name}.run": "a" for name in ("base", "better", "same")},
        **{f"experiments.{name}.decoding.draws": n for n, name in enumerate(("base", "better", "same"), start=1)},
    }  # fmt: skip
    table = sweep(metrics, cfg, "T")
    assert [row.labels for row in table.rows] == [["1"], ["2"], ["3"]]
    assert all(row.cells[-3:] == [None, None, None] for row in table.rows)
    assert not any("Δ" in note or "In every row" in note for note in table.notes)


def test_the_config_says_what_kind_a_table_is(metrics: list[Path]) -> None:
    cfg = CFG | {"tables.new.kind": "comparison", "tables.new.title": "New", "tables.new.reference": "base"}
    table = build("new", metrics, cfg)
    assert table.title == "New (mini profile)"
    assert table.notes[0].startswith("Reduced run")
    assert "ΔCIDEr" in table.columns
