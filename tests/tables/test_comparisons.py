"""Tables that compare: marks and intervals against resampling by hand, the order of sweeps, notes of methods."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from maccap.core.errors import DataError
from maccap.core.project import read_config
from maccap.core.settings import swept
from maccap.figures.figures import sweep_figure
from maccap.metrics.bootstrap import difference_interval, resampled
from maccap.metrics.metric_files import write_metrics
from maccap.tables.build import build, vqa, vqa_types
from maccap.tables.captions import MARK, captions, comparable, comparison, sweep
from maccap.tables.results import on_common_seeds, read_results
from maccap.tables.table import BOUND, DIFFERENCE, Cell, Source
from tests.helpers import ROOT
from tests.helpers.small_project import write_lines

IMAGES, SEEDS = 60, (1, 2, 3)
CFG = {
    "profile": "mini", "reduced": True, "seed": 5, "table": "t", "tables.t.reference": "base", "tables.t.claims": True,
    "cells": [["daylight", name, "daylight"] for name in ("base", "better", "same")],
    "datasets.daylight.label": "Daylight", "datasets.chalk.label": "Chalk",
    "experiments.base.label": "Base", "experiments.better.label": "Better", "experiments.same.label": "Same",
    "experiments.better.raises": "it helps", "experiments.same.lowers": "nothing helps",
    "experiments.better.note": "has more of it",
}  # fmt: skip


def of_draws(own: int) -> dict[str, Any]:
    """A sweep over 1 to 3 draws in a profile that has its own number of them."""
    names = ("base", "better", "same")
    rows = {f"experiments.{name}.selection.draws": n for n, name in enumerate(names, start=1)}
    runs = {f"experiments.{name}.run": "a" for name in names}
    return CFG | rows | runs | {"tables.t.key": "selection.draws", "selection.draws": own}


def scores(experiment: str, shift: float, seed: int | None, **corpus: Any) -> list[dict[str, Any]]:
    """Rows of a metric file whose CIDEr and other means are about 50 + shift; images have their own difficulty."""
    difficulty = np.random.default_rng(0).normal(0, 20, IMAGES)
    own = np.random.default_rng([seed or 0, int(1000 * shift)]).normal(50 + shift, 2, IMAGES) + difficulty
    about = {"trained": "daylight", "experiment": experiment, "tested": "daylight", "seed": seed}
    names = ("ROUGE-L", "CIDEr", "CLIPScore", "RefCLIPScore")
    whole = dict.fromkeys(names, float(own.mean())) | {f"BLEU-{n}": 30.0 for n in range(1, 5)} | {"METEOR": 25.0}
    images = [
        about | {"image_id": i} | dict.fromkeys(names, float(value)) | {
            "BLEU statistics": [10, 10, 9, 8, 7, 6 + i % 3, 4, 3, 2],
            "METEOR statistics": [10, 10, 4, 4, *([3, 3, 2, 2] * 4), 2, 5, 5],
        }
        for i, value in enumerate(own)
    ]  # fmt: skip
    return [about | {"image_id": None, "images": IMAGES, "of": IMAGES} | whole | corpus, *images]


def cider(shift: float) -> np.ndarray:
    """CIDEr of each seed and image, [S, N]."""
    return np.array([[row["CIDEr"] for row in scores("", shift, seed)[1:]] for seed in SEEDS])


def sources(*experiments: str) -> list[Source]:
    """Where the CIDEr of all seeds stands in the file of the fixture `metrics`."""
    about = {"trained": "daylight", "tested": "daylight", "image_id": None}
    return [
        Source("daylight.jsonl", "CIDEr", about | {"experiment": name, "seed": seed})
        for name in experiments
        for seed in SEEDS
    ]


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.chdir(tmp_path)
    shifts = {"base": 0.0, "better": 4.0, "same": 0.001}
    path = Path("daylight.jsonl")
    write_lines(path, (row for name, s in shifts.items() for seed in SEEDS for row in scores(name, s, seed)))
    return [path]


def by_column(row, columns) -> dict:
    return dict(zip(columns, row.cells, strict=True))


def test_the_interval_is_that_of_resampling_images_and_seeds_by_hand() -> None:
    ours, base = cider(4.0), cider(0.0)
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


def test_marks_stand_where_the_interval_leaves_out_zero_and_none_without_a_reference(metrics: list[Path]) -> None:
    table = captions(metrics, CFG, "T")
    base, better, same = (by_column(row, table.columns) for row in table.rows)
    assert [row.labels for row in table.rows] == [["Daylight", "Base"], ["Daylight", "Better"], ["Daylight", "Same"]]
    assert better["CIDEr"].mark == MARK
    assert better["BLEU-4"].mark == same["CIDEr"].mark == base["CIDEr"].mark == ""
    assert any(note.startswith(f"{MARK} differs from Base") for note in table.notes)
    assert "Better: has more of it." in table.notes
    table = captions(metrics, {key: value for key, value in CFG.items() if key != "tables.t.reference"}, "T")
    assert not any(cell.mark for _, _, cell in table.numbers())
    assert not any(note.startswith(MARK) for note in table.notes)


def test_other_images_are_not_compared(metrics: list[Path]) -> None:
    fewer = [row for seed in SEEDS for row in scores("better", 4.0, seed) if (row["image_id"], seed) != (7, 1)]
    rows = [row for name in ("base", "same") for seed in SEEDS for row in scores(name, 0.0, seed)]
    write_lines(metrics[0], [*fewer, *rows, *scores("once", 0.0, 1)])
    cells = [["daylight", name, "daylight"] for name in ("better", "once", "same", "base")]
    better, once, same, base = read_results(metrics, cells)
    assert comparable(same, base)
    assert not comparable(better, base)
    assert comparable(*on_common_seeds(once, base))
    assert not any(cell.mark for row, _, cell in captions(metrics, CFG, "T").numbers() if "Better" in row.labels)
    with pytest.raises(DataError, match="scores other images than"):
        comparison(metrics, CFG, "T")


def with_fewer_seeds(metrics: list[Path], name: str, count: int) -> None:
    shifts = {"base": 0.0, "better": 4.0, "same": 0.001}
    own = {other: SEEDS[: count if other == name else 3] for other in shifts}
    write_lines(metrics[0], (row for run, s in shifts.items() for seed in own[run] for row in scores(run, s, seed)))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("fewer", ["better", "base"])
def test_rows_with_fewer_seeds_are_compared_on_those_that_both_have(metrics, fewer, count):
    with_fewer_seeds(metrics, fewer, count)
    table = comparison(metrics, CFG, "T")
    better = by_column(table.rows[1], table.columns)
    delta, low, high = (better[column] for column in ("ΔCIDEr", "Δ 95 % low", "Δ 95 % high"))
    ours, base = cider(4.0)[:count], cider(0.0)[:count]
    assert delta.value == pytest.approx(ours.mean() - base.mean())
    assert (delta.n, better["CIDEr"].n) == (count, count if fewer == "better" else 3)
    assert [source.row["seed"] for source in delta.sources] == [*SEEDS[:count]] * 2
    generator, by_hand = np.random.default_rng(9), []
    for _ in range(4000):
        images, seeds = generator.integers(IMAGES, size=IMAGES), generator.integers(count, size=count)
        by_hand.append((ours - base)[np.ix_(seeds, images)].mean())
    assert (low.value, high.value) == pytest.approx(np.percentile(by_hand, (2.5, 97.5)), abs=0.15)
    assert by_column(table.rows[2], table.columns)["ΔCIDEr"].n == (count if fewer == "base" else 3)

    told = f"{'One seed' if count == 1 else '2 seeds'}: {fewer.title()}"
    assert f"{told}; differences are on the seeds that both have." in table.notes
    found = f"{delta.value:+.1f} [{low.value:+.1f}, {high.value:+.1f}]".replace("-", "−")
    seeds = f"{count} seed{'s' * (count > 1)}"
    assert f"Claim “it helps”: holds here on {seeds}: Better against Base, CIDEr {found}." in table.notes
    marked = captions(metrics, CFG, "T")
    assert by_column(marked.rows[1], marked.columns)["CIDEr"].mark == MARK
    alone = {key: value for key, value in CFG.items() if key != "tables.t.reference"}
    assert f"{told}." in captions(metrics, alone, "T").notes


def test_a_sweep_is_on_the_seeds_that_all_its_rows_have(metrics, tmp_path, monkeypatch):
    assert not any("seeds" in note for note in sweep(metrics, of_draws(4), "T").notes)
    with_fewer_seeds(metrics, "better", 1)
    table = sweep(metrics, of_draws(1), "T")
    assert f"On the seeds that all rows have: {SEEDS[0]}." in table.notes
    for row, shift in zip(table.rows, (0.0, 4.0, 0.0), strict=True):
        cell = by_column(row, table.columns)["CIDEr"]
        assert (cell.n, cell.sd) == (1, None)
        if row is not table.rows[2]:
            assert cell.value == pytest.approx(cider(shift)[0].mean())
    changed = by_column(table.rows[1], table.columns)["ΔCIDEr"]
    assert changed.value == pytest.approx(cider(4.0)[0].mean() - cider(0.0)[0].mean())
    drawn, errorbar = [], Axes.errorbar

    def draw(axes: Axes, x: Any, y: Any, spread: Any, **how: Any) -> Any:
        drawn.append(spread)
        return errorbar(axes, x, y, spread, **how)

    monkeypatch.setattr(Axes, "errorbar", draw)
    sweep_figure(table, [tmp_path / "sweep.png"])
    assert np.isnan(drawn).all(), "one seed has no deviation"
    assert (tmp_path / "sweep.png").stat().st_size > 0


def test_published_predictions_are_not_marked_and_their_images_are_counted(metrics: list[Path]) -> None:
    published = Path("published.jsonl")
    write_lines(published, scores("theirs", 9.0, None, images=4982, of=5000))
    cells = [*CFG["cells"], ["daylight", "theirs", "daylight"]]
    table = captions([*metrics, published], CFG | {"cells": cells, "experiments.theirs.label": "Theirs"}, "T")
    theirs = by_column(table.rows[3], table.columns)["CIDEr"]
    assert (theirs.n, theirs.mark, theirs.sources[0].row["seed"]) == (1, "", None)
    assert "Theirs, Daylight: for 4,982 of 5,000 images; never marked." in table.notes


def test_a_human_of_fewer_images_or_none_has_a_row_with_a_note(metrics: list[Path]) -> None:
    human = Path("human.jsonl")
    write_lines(human, [row for seed in SEEDS for row in scores("human", 9.0, seed, images=40, of=60)[:41]])
    cells = [*CFG["cells"], ["daylight", "human", "daylight"], ["daylight", "given", "daylight"]]
    cfg = CFG | {"cells": cells, "experiments.human.label": "human", "experiments.given.label": "ceiling"}
    cfg |= {"experiments.given.raises": "a gap", "experiments.human.lowers": "a gap"}
    for made in (captions, comparison):
        table = made([*metrics, human], cfg, "T")
        scored, empty = (by_column(row, table.columns) for row in table.rows[3:])
        assert scored["CIDEr"].mark == ""
        assert scored["CIDEr"].value == pytest.approx(cider(9.0).mean())
        assert set(empty.values()) == {None}
        assert [value for name, value in scored.items() if "Δ" in name] == [None] * (3 if made is comparison else 0)
        assert "human, Daylight: for 40 of 60 images; never marked." in table.notes
        assert "ceiling, Daylight: no image has a second caption, which it would be scored against." in table.notes
        assert not any("a gap" in note for note in table.notes)


def test_a_comparison_has_the_difference_its_interval_and_a_verdict_and_no_note_of_seeds(metrics: list[Path]) -> None:
    table = comparison(metrics, CFG, "T")
    better = by_column(table.rows[1], table.columns)
    delta, low, high = (better[column] for column in ("ΔCIDEr", "Δ 95 % low", "Δ 95 % high"))
    assert (delta.kind, low.kind, high.kind) == (DIFFERENCE, BOUND, BOUND)
    assert delta.value == pytest.approx(cider(4.0).mean() - cider(0.0).mean())
    assert 0 < low.value < delta.value < high.value
    assert delta.sources == low.sources == sources("better", "base")
    assert table.rows[0].cells[-3:] == [None, None, None]
    told = "\n".join(table.notes)
    assert "Claim “it helps”: holds here on 3 seeds: Better against Base, CIDEr +" in told
    assert "Claim “nothing helps”: is undecided" in told
    assert not any("seeds that both have" in note for note in comparison(metrics, CFG, "T").notes)


def test_a_comparison_that_is_not_asked_to_judges_no_claim(metrics: list[Path]) -> None:
    asked, unasked = (comparison(metrics, CFG | {"tables.t.claims": claims}, "T") for claims in (True, False))
    assert unasked.notes == [note for note in asked.notes if not note.startswith("Claim")]
    assert len(unasked.notes) == len(asked.notes) - 2
    assert unasked.rows == asked.rows


@pytest.mark.parametrize("profile", ["mini", "world", "paper"])
def test_a_claim_is_judged_in_one_table_of_a_profile_against_maccap_with_one_draw(profile: str) -> None:
    config = read_config(profile, ROOT)
    judging = [about for about in config["tables"].values() if about["claims"]]
    assert [about["reference"] for about in judging] == ["one-draw"]
    rows = [config["experiments"][name] for name in judging[0]["experiments"]]
    claims = {row[key] for row in rows for key in ("lowers", "raises") if key in row}
    of_training = set() if profile == "mini" else {"noise in training helps", "several noisy copies help"}
    assert claims == {"subregion features help", "reranking several draws helps"} | of_training


def test_a_sweep_is_in_the_order_of_its_values(metrics: list[Path]) -> None:
    cfg = CFG | {
        "tables.t.key": "training.noise_variance", "training.noise_variance": 0.016,
        "runs.a.training.noise_variance": 0.064, "experiments.base.run": "a",
        "experiments.better.run": "b", "experiments.same.run": "a",
        "experiments.same.training.noise_variance": 0.001,
        **{f"experiments.{name}.selection.draws": 1 for name in ("base", "better", "same")},
        "experiments.same.generation.beams": 2,
    }  # fmt: skip
    assert [swept(cfg, name, cfg["tables.t.key"]) for name in ("base", "better", "same")] == [0.064, 0.016, 0.001]
    table = sweep(metrics, cfg, "T")
    assert [row.labels for row in table.rows] == [["0.001"], ["0.016"], ["0.064"]]
    assert table.headers == ["noise variance (training)"]
    assert "In every row: draws 1." in table.notes
    middle = by_column(table.rows[1], table.columns)["CIDEr"]
    assert isinstance(middle, Cell)
    assert middle.sources == sources("better")
    assert table.rows[1].cells[-3:] == [None, None, None], "0.016 is the profile's own value"
    assert "Δ: difference to 0.016, the profile's value" in table.notes[-1]
    changed = by_column(table.rows[2], table.columns)
    assert changed["ΔCIDEr"].value == pytest.approx(cider(0.0).mean() - cider(4.0).mean())
    assert changed["Δ 95 % low"].value < changed["ΔCIDEr"].value < changed["Δ 95 % high"].value < 0


def test_a_sweep_without_the_profiles_value_has_no_differences(metrics: list[Path]) -> None:
    table = sweep(metrics, of_draws(4), "T")
    assert [row.labels for row in table.rows] == [["1"], ["2"], ["3"]]
    assert all(row.cells[-3:] == [None, None, None] for row in table.rows)
    assert not any("Δ" in note or "In every row" in note for note in table.notes)


def test_the_config_says_what_kind_a_table_is(metrics: list[Path]) -> None:
    cfg = CFG | {"tables.new.kind": "comparison", "tables.new.title": "New", "tables.new.reference": "base"}
    cfg["tables.new.claims"] = False
    table = build("new", metrics, cfg)
    assert table.title == "New (mini profile)"
    assert table.notes[0].startswith("Reduced run")
    assert "ΔCIDEr" in table.columns


def test_a_comparison_holds_a_row_against_the_experiment_that_it_names(metrics: list[Path]) -> None:
    cfg = CFG | {"experiments.same.against": "better"}
    plain, told = comparison(metrics, CFG, "T"), comparison(metrics, cfg, "T")
    delta = plain.columns.index("ΔCIDEr")
    base, better, same = (row.cells[delta] for row in told.rows)
    assert base is better is None
    assert same is not None
    by_plain = [row.cells[delta] for row in plain.rows]
    assert by_plain[1] is not None
    assert by_plain[2] is not None
    assert same.value == pytest.approx(by_plain[2].value - by_plain[1].value)
    assert "nearest row above" in next(note for note in told.notes if note.startswith("Δ"))


QUESTIONS = 60
ASKED = {
    "table": "t", "seed": 1, "tables.t.reference": "majority", "cells": [["d", "ours", "d"], ["d", "majority", "d"]],
    "vqa_methods.ours.label": "ours", "vqa_methods.majority.label": "majority",
}  # fmt: skip


def files(tmp_path, accuracies):
    """Metric files of two seeds; `accuracies` has, by method and question type, the share of right answers."""
    rows = []
    for method, by_type in accuracies.items():
        for seed in (1, 2):
            about = {"trained": "d", "vqa_method": method, "tested": "d", "seed": seed}
            nothing = dict.fromkeys(("answer_type", "question_type", "question_id", "image_id"))
            of = {"how": "number", "is": "yes/no"}
            items = [
                {"answer_type": of[kind], "question_type": kind, "question_id": 100 * n + len(kind), "image_id": n}
                | {"accuracy": 100.0 * ((n * 7 + seed) % QUESTIONS < share * QUESTIONS)}
                for kind, share in by_type.items()
                for n in range(QUESTIONS)
            ]
            for column, value in [
                ("image_id", None),
                *(("question_type", k) for k in of),
                *(("answer_type", a) for a in of.values()),
            ]:
                own = [row["accuracy"] for row in items if value is None or row[column] == value]
                rows.append(about | nothing | {column: value, "accuracy": float(np.mean(own))})
            rows += [about | row for row in items]
    pair = [tmp_path / "m.jsonl", tmp_path / "m.items.jsonl"]
    write_metrics(pair, rows)
    return pair


def test_answers_are_marked_where_the_difference_to_the_reference_leaves_out_0(tmp_path):
    metrics = files(tmp_path, {"ours": {"how": 0.9, "is": 0.5}, "majority": {"how": 0.4, "is": 0.5}})
    by_type = vqa_types(metrics, ASKED, "T")
    assert [row.labels for row in by_type.rows] == [["how"], ["is"]]
    assert [[cell.mark for cell in row.cells] for row in by_type.rows] == [["*", ""], ["", ""]]
    assert "* differs from majority" in by_type.notes[0]
    assert len(by_type.notes) == 1
    overall = vqa(metrics, ASKED, "T")
    assert [cell and cell.mark for cell in overall.rows[0].cells] == ["*", "", "*", None]
    assert [cell and cell.mark for cell in overall.rows[1].cells] == ["", "", "", None]
    cfg = {key: value for key, value in ASKED.items() if key != "tables.t.reference"}
    table = vqa_types(metrics, cfg, "T")
    assert not any(cell.mark for row in table.rows for cell in row.cells)
    assert table.notes == []


def test_answers_that_are_worse_than_the_reference_are_named(tmp_path):
    metrics = files(tmp_path, {"ours": {"how": 0.4, "is": 0.5}, "majority": {"how": 0.9, "is": 0.5}})
    assert vqa_types(metrics, ASKED, "T").notes[1:] == ["Worse than majority: ours (how)."]
    assert vqa(metrics, ASKED, "T").notes[1:] == ["Worse than majority: ours (overall); ours (number)."]
