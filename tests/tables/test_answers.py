"""Tables of answers: accuracy by type, and what differs from the reference."""

import numpy as np

from maccap.metrics.metric_files import write_metrics
from maccap.tables.build import vqa, vqa_types

QUESTIONS = 60
CFG = {
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


def test_a_mark_says_where_the_difference_to_the_reference_leaves_out_0(tmp_path):
    metrics = files(tmp_path, {"ours": {"how": 0.9, "is": 0.5}, "majority": {"how": 0.4, "is": 0.5}})
    by_type = vqa_types(metrics, CFG, "T")
    assert [row.labels for row in by_type.rows] == [["how"], ["is"]]
    assert [[cell.mark for cell in row.cells] for row in by_type.rows] == [["*", ""], ["", ""]]
    assert "* differs from majority" in by_type.notes[0]
    overall = vqa(metrics, CFG, "T")
    assert [cell and cell.mark for cell in overall.rows[0].cells] == ["*", "", "*", None]
    assert [cell and cell.mark for cell in overall.rows[1].cells] == ["", "", "", None]


def test_without_a_reference_nothing_is_marked(tmp_path):
    metrics = files(tmp_path, {"ours": {"how": 0.9, "is": 0.5}, "majority": {"how": 0.4, "is": 0.5}})
    cfg = {key: value for key, value in CFG.items() if key != "tables.t.reference"}
    table = vqa_types(metrics, cfg, "T")
    assert not any(cell.mark for row in table.rows for cell in row.cells)
    assert table.notes == []
