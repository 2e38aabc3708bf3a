"""From a number back to seeds and weights: on a miniature world whose records the tests read for themselves."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree

import pytest
from PIL import Image

from maccap.cli.main import main
from maccap.core.artifacts import now, record, write_text
from maccap.fetch.registry import FileAsset
from maccap.lineage.page import trace_page
from maccap.tables.anchors import artifact_anchor, cell_anchor
from maccap.tables.table import BOUND, Cell, Row, Table, write_table
from tests.helpers import ROOT
from tests.helpers.tiny import make_models
from tests.steps.test_pipeline import config, run_everything

TABLES = ("in_domain", "ablation", "vqa", "vqa_types", "nearness", "gap", "gap_repairs")
IN_DOMAIN = "results/mini/tables/in_domain.md"
METRIC = "results/mini/metrics/captions/coco/maccap/coco/s11.json"
ADAPTOR = "artifacts/mini/runs/coco/maccap/s11/adaptor.safetensors"
SLOW_IMPORTS = ("torch", "pandas", "numpy", "matplotlib", "pycocoevalcap", "scipy", "requests")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with everything that the steps make, by relative paths, as in a checkout."""
    folder = tmp_path_factory.mktemp("world")
    before = Path.cwd()
    os.chdir(folder)
    try:
        run_everything(Path(), config(*make_models(Path("models"))))
        tables = [Path(f"results/mini/tables/{name}.json") for name in TABLES]
        write_text("results/mini/trace.html", trace_page([str(path) for path in tables], "mini"))
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def world(finished, monkeypatch) -> Path:
    monkeypatch.chdir(finished)
    return finished


@pytest.fixture
def copy(finished, tmp_path, monkeypatch) -> Path:
    """A copy to be damaged."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder


def trace(capsys, *arguments: str, fails: int = 0) -> str:
    assert main(["trace", *arguments]) == fails
    said = capsys.readouterr()
    return said.err if fails == 2 else said.out


def traced(capsys, *arguments: str, fails: int = 0) -> dict:
    return json.loads(trace(capsys, *arguments, "--json", fails=fails))


def recorded(path: str) -> dict:
    return json.loads(Path(f"{path}.prov.json").read_text())


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


# --- the chain -----------------------------------------------------------------------------------------------------
def test_a_number_goes_back_to_the_scenes_and_the_weights(world, capsys):
    found = traced(capsys, IN_DOMAIN, "MacCap", "CIDEr")
    files = {artifact["path"]: artifact for artifact in found["artifacts"]}
    assert len(files) == len(found["artifacts"])
    assert {path: a["sha256"] for path, a in files.items()} == {path: digest(path) for path in files}
    assert {a["state"] for a in files.values()} == {"ok"}
    weights = {str(path) for path in Path("models").rglob("*") if path.is_file()}
    assert {path for path, a in files.items() if a["job"] is None} == weights
    steps = Counter(job["step"] for job in found["jobs"])
    assert steps == {
        "table": 1, "evaluate": 1, "predict": 3, "train": 1, "text_features": 1, "image_features": 3, "captions": 1,
        "scenes": 1,
    }  # fmt: skip
    (scenes,) = [job for job in found["jobs"] if job["step"] == "scenes"]
    assert (scenes["seeds"], scenes["parameters"]["scenes.train"], scenes["reads"]) == ([11], 12, [])


def test_every_recorded_input_is_in_the_chain_or_was_read_for_another_row(world, capsys):
    found = traced(capsys, IN_DOMAIN, "MacCap", "CIDEr")
    files = {artifact["path"] for artifact in found["artifacts"]}
    for job in found["jobs"]:
        for made in job["made"]:
            inputs = set(recorded(made)["inputs"])
            assert inputs <= files | set(job["read_for_other_outputs"])
            assert recorded(made)["started"] == job["started"]
        for other in job["read_for_other_outputs"]:
            assert re.search("/(light|blind|human)/", other), "only of other rows"
    assert not [path for path in files if re.search("/(light|blind|human)/", path)]


def test_one_seed_needs_nothing_of_another(world, capsys):
    found = traced(capsys, METRIC)
    paths = [artifact["path"] for artifact in found["artifacts"]]
    assert ADAPTOR in paths
    assert not [path for path in paths if "/s12" in path]
    assert {job["step"]: job["seeds"] for job in found["jobs"]}["train"] == [11]
    others = next(job for job in found["jobs"] if job["step"] == "predict")["read_for_other_outputs"]
    assert set(others) == {ADAPTOR.replace("s11", "s12")}


def test_the_text_shows_each_file_and_job_once_and_fits_a_terminal(world, capsys):
    found = traced(capsys, IN_DOMAIN, "MacCap", "CIDEr")
    lines = trace(capsys, IN_DOMAIN, "MacCap", "CIDEr").splitlines()
    assert max(map(len, lines)) <= 100
    shown = Counter(tuple(m.groups()) for m in (re.search(r"(\S+)  +([0-9a-f]{12})  ok$", line) for line in lines) if m)
    expected = Counter((Path(a["path"]).name, a["sha256"][:12]) for a in found["artifacts"])
    assert shown == expected
    jobs = [m[1] for m in (re.search(r"\[(\d+)\] \w+ · ", line) for line in lines) if m]
    assert sorted(map(int, jobs)) == [job["number"] for job in found["jobs"]]
    for fact in ("seeds 11, 12", "noise_variance 0.016", "torch ", "python ", "cores ", "commit "):
        assert any(fact in line for line in lines), fact


def test_any_form_of_a_table_a_pointer_and_a_place_elsewhere_mean_the_same(world, capsys, tmp_path, monkeypatch):
    expected = traced(capsys, IN_DOMAIN, "COCO MacCap", "CIDEr")
    for suffix in ("json", "csv", "tex", "html", "metrics.json"):
        assert traced(capsys, str(Path(IN_DOMAIN).with_suffix(f".{suffix}")), "COCO", "maccap", "cider") == expected
    column = json.loads(Path(IN_DOMAIN).with_suffix(".json").read_text())["columns"].index("CIDEr")
    assert traced(capsys, IN_DOMAIN, "--pointer", f"/rows/0/cells/{column}") == expected
    monkeypatch.chdir(tmp_path)
    assert traced(capsys, str(world / IN_DOMAIN), "MacCap", "CIDEr") == expected


def test_a_value_of_any_file_by_its_pointer(world, capsys):
    found = traced(capsys, METRIC, "--pointer", "/corpus/BLEU-1")
    assert found["value"] == json.loads(Path(METRIC).read_text())["corpus"]["BLEU-1"]
    assert "nothing at /corpus/none" in trace(capsys, METRIC, "--pointer", "/corpus/none", fails=2)


def test_predictions_need_only_pictures_of_their_own_test_set():
    from maccap.lineage.chain import _belongs

    cross = "artifacts/mini/predictions/coco/maccap/flickr30k/s1.1-of-1.json"
    assert _belongs(cross, "artifacts/mini/features/flickr30k/images.test.1-of-1.safetensors")
    assert not _belongs(cross, "artifacts/mini/features/coco/images.test.1-of-1.safetensors")
    assert _belongs(cross, "artifacts/mini/features/coco/captions.train.1-of-1.safetensors")
    answers = "artifacts/mini/answers/coco/vqa/caption/s1.1-of-1.json"
    assert _belongs(answers, "artifacts/mini/features/vqa/images.test.1-of-1.safetensors")
    assert _belongs(answers, "artifacts/mini/predictions/coco/maccap/vqa/s1.1-of-1.json")
    assert not _belongs(answers, "artifacts/mini/predictions/coco/maccap/vqa/s2.1-of-1.json")
    assert _belongs("results/mini/metrics/vqa/coco/caption/vqa/s1.json", answers)
    assert not _belongs("results/mini/metrics/captions/coco/decap/flickr30k/s1.json", cross)


# --- numbers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", TABLES)
def test_every_number_of_every_table_is_what_its_metric_files_hold(world, capsys, name):
    path = f"results/mini/tables/{name}.json"
    numbers = traced(capsys, path, "--all")["numbers"]
    rows = json.loads(Path(path).read_text())["rows"]
    assert len(numbers) == sum(isinstance(cell, dict) for row in rows for cell in row["cells"]) > 0
    markdown = Path(path).with_suffix(".md").read_text()
    for number in numbers:
        values = [source["value"] for source in number["sources"]]
        if number["kind"] == "difference":
            half = len(values) // 2
            values = [a - b for a, b in zip(values[:half], values[half:])]
        if number["kind"] != "bound":  # the ends of intervals are drawn from the scores of images
            assert number["value"] == pytest.approx(sum(values) / len(values))
        assert number["agrees"]
        assert number["printed"] in markdown
    kinds = {number["kind"] for number in numbers}
    assert kinds == ({"mean", "difference", "bound"} if name == "ablation" else {"mean"})


def test_the_values_stand_at_the_pointer_in_the_files(world, capsys):
    (number,) = traced(capsys, IN_DOMAIN, "human", "CIDEr")["numbers"]
    read = [json.loads(Path(source["file"]).read_text())["corpus"]["CIDEr"] for source in number["sources"]]
    assert [source["value"] for source in number["sources"]] == read
    assert number["pointer"] == "/corpus/CIDEr"
    text = trace(capsys, IN_DOMAIN, "human", "CIDEr")
    assert all(f"{value:.4f}" in text for value in read)


def test_the_end_of_an_interval_is_not_said_to_be_computed_again(world, capsys):
    content = json.loads(Path(METRIC).read_text())
    bound = Cell(content["corpus"]["CIDEr"] - 1, None, 1, [METRIC], "/corpus/CIDEr", BOUND)
    out = Path("results/mini/tables/bound.json")
    write_table(Table("t", ["row"], ["low"], [Row(["x"], [bound])]), [out])
    record([out], [METRIC], {}, "maccap reported", now())
    (number,) = traced(capsys, str(out), "x", "low")["numbers"]
    assert number["recomputed"] is None
    assert "not computed again here" in trace(capsys, str(out), "x", "low")


# --- what does not fit ---------------------------------------------------------------------------------------------
def test_a_changed_file_is_named(copy, capsys):
    content = bytearray(Path(ADAPTOR).read_bytes())
    content[-1] ^= 1
    Path(ADAPTOR).write_bytes(content)
    found = traced(capsys, IN_DOMAIN, "MacCap", "CIDEr", fails=1)
    assert found["faults"] == [f"{ADAPTOR}: was changed after it was recorded"]
    assert "CHANGED" in trace(capsys, IN_DOMAIN, "MacCap", "CIDEr", fails=1)
    assert not traced(capsys, IN_DOMAIN, "blind", "CIDEr")["faults"], "its chain does not hold the file"


def test_changed_weights_and_a_missing_file_are_named(copy, capsys):
    weights = Path("models/opt/model.safetensors")
    weights.write_bytes(weights.read_bytes() + b" ")
    Path("artifacts/mini/data/coco/dataset.json").unlink()
    faults = traced(capsys, IN_DOMAIN, "MacCap", "CIDEr", fails=1)["faults"]
    assert sorted(faults) == [
        "artifacts/mini/data/coco/dataset.json: is not on this disk",
        "models/opt/model.safetensors: was changed after it was recorded",
    ]


def test_an_edited_metric_shows_in_the_value_and_the_hash(copy, capsys):
    content = json.loads(Path(METRIC).read_text())
    content["corpus"]["CIDEr"] += 10
    Path(METRIC).write_text(json.dumps(content))
    faults = traced(capsys, IN_DOMAIN, "MacCap", "CIDEr", fails=1)["faults"]
    assert "but its metric files give" in faults[0]
    assert faults[1] == f"{METRIC}: was changed after it was recorded"


def test_a_file_made_anew_without_what_follows_is_named(copy, capsys):
    Path(ADAPTOR).write_bytes(b"another run")
    past = recorded(ADAPTOR) | {"sha256": digest(ADAPTOR)}
    Path(f"{ADAPTOR}.prov.json").write_text(json.dumps(past))
    faults = traced(capsys, METRIC, fails=1)["faults"]
    assert len(faults) == 3, "three shards were decoded with the old one"
    assert all(f"{ADAPTOR}: " in fault and "predict read other bytes" in fault for fault in faults)


def test_a_missing_record_ends_the_chain_with_a_word(copy, capsys):
    Path(f"{ADAPTOR}.prov.json").unlink()
    faults = traced(capsys, METRIC, fails=1)["faults"]
    assert faults == [f"{ADAPTOR}: no record, so that its past is unknown; run the rule that makes it"]
    Path(f"{METRIC}.prov.json").unlink()
    assert f"{METRIC}: has no record beside it" in trace(capsys, METRIC, fails=2)
    assert "none.json: no such file" in trace(capsys, "results/none.json", fails=2)


def test_a_damaged_or_foreign_record_is_an_error(copy, capsys):
    path = Path(f"{ADAPTOR}.prov.json")
    foreign = Path("artifacts/mini/runs/coco/maccap/s12/adaptor.safetensors.prov.json").read_text()
    for content, said in (("{", "not valid JSON"), ("{}", "not a whole record"), (foreign, "its record speaks of")):
        path.write_text(content)
        assert said in trace(capsys, METRIC, fails=2)


def test_an_ambiguous_or_unknown_place_lists_the_choices(world, capsys):
    said = trace(capsys, IN_DOMAIN, "COCO", "CIDEr", fails=2)
    assert "4 rows named 'COCO'" in said
    assert "'COCO' 'MacCap'" in said
    assert "'COCO' 'human'" in said
    assert "no row named 'none'; choose one of" in trace(capsys, IN_DOMAIN, "none", "CIDEr", fails=2)
    assert "choose one of BLEU-1, BLEU-2" in trace(capsys, IN_DOMAIN, "MacCap", "none", fails=2)
    assert "SPICE: empty, not a number" in trace(capsys, IN_DOMAIN, "MacCap", "SPICE", fails=2)
    assert "give row label(s) and a column" in trace(capsys, IN_DOMAIN, "MacCap", fails=2)
    assert "not a number of a table" in trace(capsys, IN_DOMAIN, "--pointer", "/title", fails=2)


# --- other ends ----------------------------------------------------------------------------------------------------
def test_a_download_ends_the_chain_with_its_address_and_hash(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asset, made = Path("artifacts/downloads/words.txt"), Path("artifacts/mini/data/words.json")
    for path in (asset, made):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    about = FileAsset("words", "words.txt", ("https://example.org/words.txt",), None, digest(str(asset)))
    record([asset], [], about.parameters(), "maccap download", now())
    record([made], [asset], {}, "maccap captions", now())
    text = trace(capsys, str(made))
    assert "https://example.org/words.txt" in text
    assert digest(str(asset)) in text
    assert re.search(rf"words\.txt +{digest(str(asset))[:12]}  ok", text)


def test_the_graph_is_a_picture_with_every_step(world, capsys, tmp_path):
    pictures = [tmp_path / name for name in ("a.svg", "b.svg", "c.png")]
    for path in pictures:
        trace(capsys, IN_DOMAIN, "MacCap", "CIDEr", "--graph", str(path))
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    ElementTree.parse(pictures[0])
    comments = re.findall(r"<!-- (.*?) -->", pictures[0].read_text())
    for step in ("scenes", "captions", "text_features", "train", "predict", "evaluate", "table"):
        assert any(step in comment for comment in comments), step
    with Image.open(pictures[2]) as image:
        assert image.width > image.height > 300
    assert "written as .svg or .png" in trace(capsys, IN_DOMAIN, "--graph", "x.pdf", fails=2)


def test_tracing_starts_fast(world):
    code = (
        "import sys; from maccap.cli.main import main; main(sys.argv[1:]); "
        f"print([name for name in {SLOW_IMPORTS} if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    command = [sys.executable, "-c", code, "trace", IN_DOMAIN, "MacCap", "CIDEr"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    print(f"{time.perf_counter() - start:.2f} s, start of Python included")
    assert run.stdout.splitlines()[-1] == "[]"


# --- pages ---------------------------------------------------------------------------------------------------------
class Page(HTMLParser):
    """Places and links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.loaded += [found[key] for key in ("src", "href") if key in found and tag != "a"]


def test_every_number_of_a_table_links_to_its_section(world):
    results = Path("results/mini")
    target = Page(results / "trace.html")
    assert not [place for place, n in Counter(target.ids).items() if n > 1]
    assert not target.loaded
    for name in TABLES:
        page = Page(results / f"tables/{name}.html")
        assert not page.loaded
        table = json.loads((results / f"tables/{name}.json").read_text())
        cells = [
            cell_anchor(name, row["labels"], column)
            for row in table["rows"]
            for column, cell in zip(table["columns"], row["cells"])
            if isinstance(cell, dict)
        ]
        assert [urljoin(f"tables/{name}.html", link) for link in page.links] == [f"trace.html#{cell}" for cell in cells]
        assert set(cells) <= set(target.ids)


def test_the_page_has_every_file_once_and_no_dead_link(world):
    page = Page(Path("results/mini/trace.html"))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    behind, todo = set(), [f"results/mini/tables/{name}.json" for name in TABLES]
    for path in todo:
        if path not in behind:
            behind.add(path)
            todo += list(recorded(path)["inputs"]) if Path(f"{path}.prov.json").is_file() else []
    assert {artifact_anchor(path) for path in behind} <= set(page.ids)
    text = Path("results/mini/trace.html").read_text()
    assert all(digest(path) in text for path in behind)


def test_places_are_stable_names():
    assert cell_anchor("in_domain", ["COCO", "MacCap"], "CIDEr") == "in_domain-coco-maccap-cider"
    assert cell_anchor("ablation", ["fusion weight 0.3"], "ΔCIDEr") == "ablation-fusion-weight-0-3-δcider"
    assert cell_anchor("reported", ["COCO → VQA v2", "MacCap", "", "x"], "95 % low") == (
        "reported-coco-vqa-v2-maccap-x-95-low"
    )
    assert artifact_anchor("artifacts/a b/ü.json") == "artifacts/a%20b/%C3%BC.json"
