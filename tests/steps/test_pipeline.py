"""Every job of a miniature profile, with the workflow's own rules: formats, records, equal bytes, own images."""

import gzip
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from maccap import caption_scores, load_run
from maccap.core.errors import DataError
from maccap.core.job import Job
from maccap.core.records import Records
from maccap.data.captions import read_captions
from maccap.data.features import ImageFeatures
from maccap.data.predictions import read_answers, read_predictions
from maccap.figures.gap_legends import LEGENDS
from maccap.lineage.cells import MetricFiles, find
from maccap.lineage.chain import chain_of
from maccap.metrics.instruments import nats_per_token
from maccap.metrics.metric_files import read_metrics
from maccap.models.language_model import load_language_model
from maccap.steps import answer, evaluate, image_features, predict
from maccap.steps.runner import run_jobs
from maccap.tables.table import read_table
from maccap.world.scenes import COLOURS
from tests.helpers.in_process import as_job, job_of, make_project, run_all, small_profile
from tests.helpers.second_device import second_device
from tests.helpers.tiny import GENERATION, SELECTION, make_models

SEEDS = (11, 12)


def profile(clip: Path, opt: Path) -> dict:
    """One domain whose test images come in three shards and training captions in two; `light`, and so the answers
    behind its soft tokens, and `blind` have the first seed alone."""
    sections = {
        "runs": {"maccap": {"method": "maccap"}},
        "experiments": {
            "maccap": {"label": "MacCap", "run": "maccap"},
            "light": {
                "label": "light", "run": "maccap", "generation": {"patch_weight": 0.0}, "selection": {"draws": 2},
                "lowers": "subregions help", "repeats": 1,
            },
            "ceiling": {"label": "ceiling", "run": "maccap", "given": "reference"},
            "blind": {"label": "blind", "repeats": 1}, "human": {"label": "human"},
        },
        "vqa_methods": {
            "prefix": {"label": "prefix", "context": "prefix", "experiment": "light"},
            "caption": {"label": "caption", "context": "caption", "experiment": "maccap"},
            "majority": {"label": "majority", "context": "majority"},
        },
        "tables": {
            "in_domain": {
                "title": "In-domain", "kind": "captions", "pairs": ["daylight-daylight"], "reference": "maccap",
                "experiments": ["maccap", "light", "ceiling", "blind", "human"],
            },
            "ablation": {
                "title": "Ablation", "kind": "comparison", "pairs": ["daylight-daylight"], "reference": "maccap",
                "claims": True, "experiments": ["maccap", "light"],
            },
            **{
                name: {
                    "title": name, "kind": name, "trained": "daylight", "dataset": "daylight",
                    "vqa_methods": ["prefix", "caption", "majority"],
                }
                for name in ("vqa", "vqa_types")
            },
            **{name: {"title": name, "kind": name} for name in ("nearness", "gap", "gap_repairs", "instruments")},
        },
        "instruments": {"images": 5, "exchanges": {"colour": [list(COLOURS)], "noun": [["key", "ball", "star"]]}},
    }  # fmt: skip
    return small_profile(
        clip, opt, sections, profile="small", seed=SEEDS[0], repeats=len(SEEDS),
        scenes={"train": 12, "val": 4, "test": 6, "questions": 2},
        datasets={"daylight": {"label": "Daylight", "format": "scenes", "shards": {"captions": 2, "images": 3}}},
        answering={"batch_size": 5, "beams": 2, "max_new_tokens": 2},
    )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    about = profile(*make_models(folder / "models"))
    for name in ("first", "second"):
        make_project(folder / name, about)
        graph = run_all(folder / name)
    return folder / "first", folder / "second", graph


@pytest.fixture
def first(world, monkeypatch) -> Path:
    """The first of two equal projects, as the working folder."""
    monkeypatch.chdir(world[0])
    return world[0]


def files_of(project: Path) -> list[Path]:
    """What jobs made, but the records and what is made of them, which hold times."""
    found = [path for top in ("artifacts", "results") for path in (project / top).rglob("*") if path.is_file()]
    return [path for path in found if not path.name.endswith((".prov.json", ".sha256")) and path.name != "trace.html"]


def test_two_runs_give_the_same_bytes(world):
    one, other, _ = world
    assert len(files_of(one)) > 60
    for path in files_of(one):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes(), path


STEPS = "text_features image_features predict baselines answer measure_gap measure_instruments"


@pytest.mark.parametrize("step", STEPS.split())
def test_on_another_device_nothing_stays_on_the_cpu_and_the_numbers_are_the_same(world, first, tmp_path, step):
    job = as_job(next(job for job in world[2].jobs if job.step == step))
    made = [tmp_path / path.name for path in job.outputs]
    with second_device():
        run_jobs(step, [replace(job, outputs=made, settings=job.settings | {"gpus": 1})])
    for expected, path in zip(job.outputs, made, strict=True):
        assert near(content(path), content(expected)), path.name


def content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return {name: value.tolist() for name, value in load_file(path).items()}
    if path.suffix == ".gz":
        return list(map(json.loads, gzip.decompress(path.read_bytes()).splitlines()))
    return json.loads(path.read_text())


def near(a: Any, b: Any) -> bool:
    """Equal, but for the rounding of numbers to float16."""
    if isinstance(a, float):
        return a == pytest.approx(b, rel=2e-3, abs=1e-3)
    if isinstance(a, dict):
        return a.keys() == b.keys() and near(list(a.values()), list(b.values()))
    return len(a) == len(b) and all(map(near, a, b)) if isinstance(a, list) else a == b


def test_every_job_has_one_record_with_true_hashes_and_a_short_command(first):
    records = Records(".").by_path
    made = [path for record in records.values() for path in record.outputs]
    assert len(made) == len(set(made))
    assert {str(path.relative_to(first)) for path in files_of(first)} <= set(made)
    for record in records.values():
        made_of = {path: out.sha256 for path, out in record.outputs.items()} | record.sources
        for path, digest in made_of.items():
            assert digest == hashlib.sha256(Path(path).read_bytes()).hexdigest(), path
        assert len(record.command) <= 500


def test_a_prediction_is_the_best_of_its_candidates(first):
    rows = read_predictions(sorted(Path("artifacts/small/predictions/daylight").glob("maccap.*.jsonl.gz")))
    own = rows[(rows.experiment == "maccap") & (rows.seed == SEEDS[0])]
    assert len(own) == own.image_id.nunique() == 6
    assert all(row.caption == row.candidates[int(np.argmax(row.scores))] for row in own.itertuples())
    assert set(rows[rows.experiment == "light"].candidates.map(len)) == {2}


def test_the_table_is_the_mean_and_deviation_of_its_metrics(first):
    table = json.loads(Path("results/small/tables/in_domain.json").read_text())
    for row in table["rows"]:
        for column, cell in zip(table["columns"], row["cells"], strict=True):
            if cell is None:
                assert column == "SPICE"
                continue
            values = [value_of(source) for source in cell["sources"]]
            assert len(values) == cell["n"] == (1 if row["labels"][1] in ("light", "blind") else 2)
            assert cell["value"] == pytest.approx(np.mean(values))
            assert cell["sd"] == (pytest.approx(np.std(values, ddof=1)) if len(values) > 1 else None)
    assert [row["labels"][1] for row in table["rows"]] == ["MacCap", "light", "ceiling", "blind", "human"]


def value_of(source: dict) -> float:
    """The value that a source names, looked up with pandas."""
    rows = pd.read_json(source["file"], lines=True, precise_float=True)
    for name, value in source["row"].items():
        rows = rows[rows[name].isna() if value is None else rows[name] == value]
    return float(rows[source["column"]].item())


def test_a_row_of_one_seed_is_noted_compared_on_that_seed_and_traced_to_it(first):
    path = "results/small/tables/ablation.json"
    table = read_table(path)
    *_, delta = find(path, table, ["light"], "ΔCIDEr")
    light, maccap = (value_of(asdict(source)) for source in delta.sources)
    assert [source.row["seed"] for source in delta.sources] == [SEEDS[0]] * 2
    assert delta.value == pytest.approx(light - maccap)
    assert "One seed: light; differences are on the seeds that both have." in table.notes
    assert "a run has up to 2 seeds" in " ".join(Path("results/small/report.html").read_text().split())
    assert "One seed: prefix." in read_table("results/small/tables/vqa.json").notes

    def seeds(label: str, step: str) -> list[list[int]]:
        number = MetricFiles(Path()).number(path, table, *find(path, table, [label], "CIDEr"))
        return [job.seeds for job in chain_of([path], Records("."), [number]).jobs if job.record.step == step]

    for label, own in (("light", [SEEDS[0]]), ("MacCap", list(SEEDS))):
        assert {tuple(found) for found in seeds(label, "predict")} == {tuple(own)}
        assert sorted(seeds(label, "train")) == [[seed] for seed in own]


def test_the_samples_show_every_image_and_question(first):
    samples = json.loads(Path("artifacts/small/samples.json").read_text())
    (images,), (questions,) = samples["images"], samples["questions"]
    assert len({image["image_id"] for image in images["images"]}) == 6
    labels = {said["label"] for image in images["images"] for said in image["captions"]}
    assert labels == {"MacCap", "light", "ceiling", "blind", "human"}
    assert all(sum(c["chosen"] for c in image["candidates"]) == 1 for image in images["images"])
    assert len(questions["questions"]) == 12
    assert Path("results/small/samples.html").read_text().count("<article") == 6 + 12


def test_all_formats_of_a_table_say_the_same(first):
    folder = Path("results/small/tables")
    table = json.loads((folder / "vqa.json").read_text())
    tidy = pd.read_csv(folder / "vqa.csv")
    markdown, latex = (folder / "vqa.md").read_text(), (folder / "vqa.tex").read_text()
    for row in table["rows"]:
        for column, cell in zip(table["columns"], row["cells"], strict=True):
            line = tidy[(tidy["answers"] == row["labels"][0]) & (tidy["column"] == column)]
            if cell is None:
                assert line.empty
                continue
            assert float(line["value"].iloc[0]) == pytest.approx(cell["value"], abs=1e-3)
            assert f"{cell['value']:.1f}" in markdown
            assert f"{cell['value']:.1f}" in latex
    assert "none of these are the paper's numbers" in markdown
    assert latex.count("\\begin{tabular}") == latex.count("\\end{tabular}") == 1


def test_the_metrics_of_a_table_and_the_training_curves_hold_the_same_numbers(first):
    table = json.loads(Path("results/small/tables/in_domain.json").read_text())
    metrics = json.loads(Path("results/small/tables/in_domain.metrics.json").read_text())
    cell = table["rows"][0]["cells"][table["columns"].index("CIDEr")]
    assert metrics["Daylight, MacCap"]["CIDEr"] == cell["value"]
    curves = pd.read_csv("results/small/figures/training.csv")
    own = curves[(curves.trained == "daylight") & (curves.run == "maccap") & (curves.seed == 12)]
    log = pd.read_json("artifacts/small/runs/daylight/maccap/s12/log.jsonl", lines=True)
    log = log.dropna(subset="validation_loss")
    assert len(own)
    assert own.step.tolist() == log.step.tolist()
    assert own.validation_loss.tolist() == pytest.approx(log.validation_loss.tolist(), rel=1e-5)


def test_soft_tokens_before_a_question_are_made_with_the_experiments_own_settings(world, first, tmp_path, monkeypatch):
    made = []

    def answered(lm, questions, how, context):
        made.append(context[0])
        return []

    monkeypatch.setattr(answer, "answer_questions", answered)
    answer.run(replace(job_of(world[2], "answer", vqa_method="prefix"), outputs=[tmp_path / "answers.jsonl"]))
    assert [captioner.seed for captioner in made] == [SEEDS[0]]
    assert all(captioner.generation == GENERATION.model_copy(update={"patch_weight": 0.0}) for captioner in made)
    assert all(captioner.draws == 2 for captioner in made)


def test_human_leaves_its_own_reference_out(first):
    rows = read_predictions([Path("artifacts/small/predictions/daylight/baselines.1.jsonl.gz")])
    assert set(rows[(rows.experiment == "human") & (rows.seed == SEEDS[1])].left_out_reference) == {1}
    metrics = read_metrics(["results/small/metrics/captions/daylight.jsonl"])
    assert (metrics[(metrics.experiment == "human") & metrics.image_id.isna()]["BLEU-4"] < 100).all()


def test_the_ceiling_is_what_the_run_says_of_a_reference_scored_against_the_others(first):
    rows = read_predictions(sorted(Path("artifacts/small/predictions/daylight").glob("maccap.*.jsonl.gz")))
    ceiling = rows[(rows.experiment == "ceiling") & (rows.seed == SEEDS[1])]
    assert ceiling.left_out_reference.tolist() == [1] * 6

    captions = read_captions(Path("artifacts/small/data/daylight/captions.test.jsonl"))
    run = load_run(Path(f"artifacts/small/runs/daylight/maccap/s{SEEDS[1]}"))
    for row in ceiling.itertuples():
        text = [caption.caption for caption in captions if caption.image_id == row.image_id][1]
        feature = run.captioner.encoder.text_features([text]).half().float()
        image = ImageFeatures(torch.tensor([row.image_id]), feature, feature.repeat(1, 5, 1), torch.ones(1, 5, 5) / 5)
        [alone] = run.captioner.caption(image, SELECTION)
        assert (alone["caption"], alone["candidates"]) == (row.caption, row.candidates)

    metrics = read_metrics(["results/small/metrics/captions/daylight.jsonl"])
    others: dict[int, list[str]] = {}
    for caption in captions:
        others.setdefault(caption.image_id, []).append(caption.caption)
    others = {image_id: own[:1] + own[2:] for image_id, own in others.items()}
    found = caption_scores(others, dict(zip(ceiling.image_id, ceiling.caption)))
    whole = metrics[(metrics.experiment == "ceiling") & (metrics.seed == SEEDS[1]) & metrics.image_id.isna()].iloc[0]
    for name in ("CIDEr", "BLEU-4", "METEOR"):
        assert whole[name] == pytest.approx(found[name], abs=1e-3)


def test_every_question_is_answered_once_by_each_way_and_seed(first):
    rows = read_answers(sorted(Path("artifacts/small/answers/daylight/daylight").glob("*.jsonl.gz")))
    assert rows.groupby(["vqa_method", "seed"]).question_id.nunique().tolist() == [12] * 5


def test_instruments_are_asked_about_the_captions_of_the_first_images(world, first):
    found = json.loads(Path("results/small/metrics/instruments/daylight.json").read_text())
    captions = pd.DataFrame(vars(row) for row in read_captions(next(Path("artifacts").rglob("captions.test.jsonl"))))
    own = {image: rows.caption.tolist() for image, rows in captions.groupby("image_id", sort=True)}
    own = dict(list(own.items())[:5])
    coloured = sum(bool({*text.lower().split()} & {*COLOURS}) for texts in own.values() for text in texts)
    assert (found["images"], found["noticed"]["colour"]["captions"]) == (5, coloured)
    assert 0 <= found["noticed"]["colour"]["share"] <= 1
    lm = load_language_model(str(world[0] / "../models/opt"))
    told = [distinct for texts in own.values() if len(distinct := list(dict.fromkeys(texts))) > 2]
    nats = nats_per_token(lm, [texts[1:3] + texts[:1] for texts in told], [texts[0] for texts in told])
    assert found["nats"]["itself"][2] == pytest.approx(nats, rel=1e-5)
    assert len(found["nats"]["others"]) == 5


def test_figures_are_images(first):
    for name in (*LEGENDS, "training", "example"):
        with Image.open(f"results/small/figures/{name}.png") as image:
            assert min(image.size) > 300
        assert Path(f"results/small/figures/{name}.svg").read_text().startswith("<?xml")


def test_a_missing_prediction_is_named_with_its_experiment(world, first, tmp_path):
    job = job_of(world[2], "evaluate")
    shard = next(path for path in job.inputs["predictions"] if path.name == "maccap.2.jsonl.gz")
    kept = tmp_path / "maccap.2.jsonl.gz"
    kept.write_bytes(gzip.compress(gzip.decompress(shard.read_bytes()).split(b"\n", 1)[1]))
    swap = {shard: kept}
    inputs = {name: [swap.get(path, path) for path in paths] for name, paths in job.inputs.items()}
    out = tmp_path / "daylight.jsonl"
    with pytest.raises(DataError, match=r"predictions of maccap on daylight, seed 11: no prediction for 1 image"):
        evaluate.run(replace(job, inputs=inputs, outputs=[out]))
    assert not out.exists()


def test_captions_do_not_depend_on_the_shards(world, first, tmp_path):
    store, table = tmp_path / "images.safetensors", tmp_path / "maccap.jsonl"
    shard = job_of(world[2], "image_features", shard={"number": 1, "of": 3})
    image_features.run(Job(shard.inputs, [store], shard.settings | {"shard": {"number": 1, "of": 1}}))
    job = job_of(world[2], "predict")
    predict.run(replace(job, inputs=job.inputs | {"images": [store]}, outputs=[table]))
    whole = read_predictions([table])
    sharded = read_predictions(sorted(Path("artifacts/small/predictions/daylight").glob("maccap.*.jsonl.gz")))
    key = ["experiment", "seed", "image_id"]
    for column in ("caption", "candidates"):
        one, many = (rows.sort_values(key)[column].tolist() for rows in (whole, sharded))
        assert one == many
