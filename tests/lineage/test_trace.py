"""From a number back to data, seeds and weights: on a small project whose records the tests read for themselves."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urljoin

import pytest

from maccap.cli.main import main
from maccap.core.artifacts import write_text
from maccap.core.job import Job
from maccap.core.records import MADE_IN, now, write_record
from maccap.fetch.registry import FileAsset
from maccap.lineage.trace_page import trace_page
from maccap.tables.anchors import artifact_anchor, cell_anchor
from maccap.tables.table import Row, Source, Table, cell, write_table
from tests.helpers import ROOT
from tests.helpers.checkout import Checkout
from tests.helpers.html_page import Page
from tests.helpers.small_project import ADAPTOR, BASELINES, DATA, METRICS, PREDICTIONS, RUNS, SEEDS, TABLES, WEIGHTS

IN_DOMAIN = TABLES["in_domain"].replace(".json", ".md")
SLOW_IMPORTS = ("torch", "pandas", "numpy", "matplotlib", "pycocoevalcap", "scipy", "requests", "rocrate")


def trace(capsys, *arguments: str, fails: int = 0) -> str:
    assert main(["trace", *arguments]) == fails
    printed = capsys.readouterr()
    return printed.err if fails == 2 else printed.out


def traced(capsys, *arguments: str, fails: int = 0) -> dict:
    return json.loads(trace(capsys, *arguments, "--json", fails=fails))


def records() -> dict[str, dict]:
    """Every record of the current folder, by the files that its job made."""
    files = [path for folder in MADE_IN for path in Path(folder).rglob("*.prov.json")]
    found = [json.loads(path.read_text()) for path in files]
    return {path: record for record in found for path in record["outputs"]}


def sources(record: dict) -> dict[str, str]:
    return {path: digest for files in record["inputs"].values() for path, digest in files.items()}


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def spoil(path: str) -> None:
    Path(path).write_bytes(Path(path).read_bytes() + b" ")


# --- the chain -----------------------------------------------------------------------------------------------------
def test_a_number_goes_back_to_the_scenes_and_the_weights(project, capsys):
    found = traced(capsys, IN_DOMAIN, "Daylight MacCap", "CIDEr")
    files = {file["path"]: file for file in found["files"]}
    assert len(files) == len(found["files"])
    assert {path: file["sha256"] for path, file in files.items()} == {path: digest(path) for path in files}
    assert {file["state"] for file in files.values()} == {"ok"}
    assert {path for path, file in files.items() if file["job"] is None} == set(WEIGHTS)
    once = ("table", "evaluate", "predict", "text_features", "image_features", "captions", "scenes")
    assert Counter(job["step"] for job in found["jobs"]) == {**dict.fromkeys(once, 1), "train": len(SEEDS)}
    assert sorted(job["seeds"] for job in found["jobs"] if job["step"] == "train") == [[seed] for seed in SEEDS]
    (scenes,) = [job for job in found["jobs"] if job["step"] == "scenes"]
    assert (scenes["seeds"], scenes["settings"]["scenes.train"], scenes["reads"]) == ([5], 12, [])
    recorded = records()
    for job in found["jobs"]:
        own = recorded[job["made"][0]]
        assert {key: job[key] for key in ("started", "ended", "code", "packages", "host", "command")} == {
            key: own[key] for key in ("started", "ended", "code", "packages", "host", "command")
        }
        assert sorted([*job["reads"], *job["read_for_other_rows"]]) == sorted(sources(own))


def test_what_belongs_to_a_number_follows_from_what_the_records_say_that_jobs_are_about(project, capsys):
    def left_out(*place: str) -> dict[str, list[str]]:
        return {job["step"]: job["read_for_other_rows"] for job in traced(capsys, IN_DOMAIN, *place)["jobs"]}

    features = {name: f"artifacts/small/features/{name}.safetensors" for name in METRICS}
    own = left_out("Daylight", "MacCap", "CIDEr")
    assert own["table"] == [METRICS["chalk"]]
    assert own["evaluate"] == [BASELINES], "of other experiments"
    assert own["predict"] == [features["chalk"]], "of another test set"
    assert left_out("Chalk", "light", "CIDEr")["predict"] == [features["daylight"]]
    human = left_out("Daylight", "human", "CIDEr")
    assert human["evaluate"] == [PREDICTIONS]
    assert "train" not in human
    whole = traced(capsys, PREDICTIONS)
    assert not any(job["read_for_other_rows"] for job in whole["jobs"])
    assert {*features.values(), ADAPTOR} <= {file["path"] for file in whole["files"]}


def test_settings_of_other_experiments_are_not_shown(project, capsys):
    def settings(*arguments: str) -> dict:
        return next(job for job in traced(capsys, *arguments)["jobs"] if job["step"] == "predict")["settings"]

    own = settings(IN_DOMAIN, "Daylight", "MacCap", "CIDEr")
    assert own["experiments.maccap.run"] == "maccap"
    assert own["generation.beams"] == 4
    assert not [key for key in own if "light" in key or key.endswith(".label")]
    assert settings(IN_DOMAIN, "Daylight", "light", "CIDEr")["experiments.light.generation.beams"] == 1
    assert settings(PREDICTIONS)["experiments.light.generation.beams"] == 1


def test_the_text_shows_each_file_and_job_once_and_fits_a_terminal(project, capsys):
    found = traced(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr")
    lines = trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr").splitlines()
    assert max(map(len, lines)) <= 100
    shown = Counter(tuple(m.groups()) for m in (re.search(r"(\S+)  +([0-9a-f]{12})  ok$", line) for line in lines) if m)
    assert shown == Counter((Path(file["path"]).name, file["sha256"][:12]) for file in found["files"])
    jobs = [m[1] for m in (re.search(r"\[(\d+)\] \w+ · ", line) for line in lines) if m]
    assert sorted(map(int, jobs)) == [job["number"] for job in found["jobs"]]
    facts = "seeds 5, 6", "epochs 3", "torch ", "python ", "cores ", "commit ", "maccap step --again results/small"
    for fact in (*facts, "trained daylight, experiment maccap, seed 6"):
        assert any(fact in line for line in lines), fact


def test_any_form_of_a_table_a_pointer_and_a_place_elsewhere_mean_the_same(project, capsys, tmp_path, monkeypatch):
    expected = traced(capsys, TABLES["in_domain"], "Daylight MacCap", "CIDEr")["numbers"]
    for suffix in ("json", "csv", "tex", "html", "metrics.json"):
        assert traced(capsys, str(Path(IN_DOMAIN).with_suffix(f".{suffix}")), "Daylight", "maccap", "cider")[
            "numbers"
        ] == expected  # fmt: skip
    assert traced(capsys, IN_DOMAIN, "--pointer", "/rows/0/cells/0")["numbers"] == expected
    here = traced(capsys, IN_DOMAIN, "Daylight MacCap", "CIDEr")
    monkeypatch.chdir(tmp_path)
    assert traced(capsys, str(project / IN_DOMAIN), "Daylight MacCap", "CIDEr") == here
    monkeypatch.chdir(project / "results/small")
    assert traced(capsys, "tables/in_domain.md", "Daylight MacCap", "CIDEr") == here


def test_a_value_of_any_json_file_by_its_pointer(project, capsys):
    path = f"{DATA}/daylight/dataset.json"
    assert traced(capsys, path, "--pointer", "/of")["value"] == json.loads(Path(path).read_text())["of"]
    assert "nothing at /none" in trace(capsys, path, "--pointer", "/none", fails=2)


def test_results_that_were_written_anywhere_are_found_by_their_record(copy, capsys, tmp_path, monkeypatch):
    out = Path("mine")
    made = [out / "gap.json", *(out / f"tables/gap.{suffix}" for suffix in ("json", "metrics.json", "md"))]
    write_text(made[0], json.dumps({"gap": {"norm": 0.5}}))
    number = cell([0.5], [Source("mine/gap.json", "/gap/norm")])
    write_table(Table("gap", ["measure"], ["value"], [Row(["norm"], [number])]), made[1:], traced=False)
    write_record("gap", Job({"captions": [Path(f"{DATA}/daylight/captions.test.jsonl")]}, made), now())
    monkeypatch.chdir(tmp_path)
    found = traced(capsys, str(copy / made[3]), "norm", "value")
    assert found["numbers"][0]["sources"][0] == {
        "file": "mine/gap.json", "column": "/gap/norm", "row": {}, "value": 0.5,
    }  # fmt: skip
    assert {job["step"] for job in found["jobs"]} == {"gap"}
    assert {file["state"] for file in found["files"]} == {"ok"}
    assert {job["step"] for job in traced(capsys, str(copy / made[0]))["jobs"]} == {"gap", "captions", "scenes"}
    (copy / made[0]).write_text("{}")
    assert "nothing at /gap/norm" in trace(capsys, str(copy / made[3]), "norm", "value", fails=2)


# --- numbers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", TABLES)
def test_every_number_of_a_table_is_what_its_metric_files_hold(project, capsys, name):
    numbers = traced(capsys, TABLES[name], "--all")["numbers"]
    rows = json.loads(Path(TABLES[name]).read_text())["rows"]
    assert len(numbers) == sum(isinstance(cell, dict) for row in rows for cell in row["cells"]) > 0
    markdown = Path(TABLES[name]).with_suffix(".md").read_text()
    for number in numbers:
        values = []
        for source in number["sources"]:
            lines = [json.loads(line) for line in Path(source["file"]).read_text().splitlines()]
            (row,) = [line for line in lines if source["row"].items() <= line.items()]
            assert row[source["column"]] == source["value"]
            values.append(source["value"])
        if number["kind"] == "difference":
            half = len(values) // 2
            values = [a - b for a, b in zip(values[:half], values[half:])]
        if number["kind"] == "bound":  # the ends of intervals are drawn from the scores of images
            assert number["recomputed"] is None
        else:
            assert number["value"] == pytest.approx(sum(values) / len(values))
        assert number["agrees"]
        assert number["printed"] in markdown
    kinds = {"mean", "difference", "bound"} if name == "ablation" else {"mean"}
    assert {number["kind"] for number in numbers} == kinds


def test_the_end_of_an_interval_is_not_said_to_be_computed_again(project, capsys):
    assert "not computed again here" in trace(capsys, TABLES["ablation"], "light", "95 % low")
    assert "the same" in trace(capsys, TABLES["ablation"], "light", "ΔCIDEr")


# --- what does not fit ---------------------------------------------------------------------------------------------
def test_changed_files_weights_and_a_missing_file_are_named_where_it_matters(copy, capsys):
    spoil(ADAPTOR)
    found = traced(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=1)
    assert found["faults"] == [f"{ADAPTOR}: was changed after it was recorded"]
    assert "CHANGED" in trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=1)
    assert not traced(capsys, IN_DOMAIN, "Daylight", "human", "CIDEr")["faults"], "its chain does not hold the file"
    spoil(IN_DOMAIN)
    assert traced(capsys, IN_DOMAIN, fails=1)["faults"][0] == f"{IN_DOMAIN}: was changed after it was recorded"
    spoil(WEIGHTS[1])
    Path(f"{DATA}/daylight/dataset.json").unlink()
    changed = [f"{path}: was changed after it was recorded" for path in (ADAPTOR, IN_DOMAIN, WEIGHTS[1])]
    faults = traced(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=1)["faults"]
    assert sorted(faults) == sorted([*changed, f"{DATA}/daylight/dataset.json: is not on this disk"])


def test_an_edited_metric_shows_in_the_value_and_the_hash(copy, capsys):
    lines = [json.loads(line) for line in Path(METRICS["daylight"]).read_text().splitlines()]
    for row in lines:
        row["CIDEr"] += 10
    Path(METRICS["daylight"]).write_text("".join(json.dumps(row) + "\n" for row in lines))
    faults = traced(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=1)["faults"]
    assert "Daylight, MacCap · CIDEr: 44.0 ± 4.2, but its metric files give 54.0" in faults[0]
    assert faults[1] == f"{METRICS['daylight']}: was changed after it was recorded"


def test_a_row_that_is_gone_or_there_twice_is_an_error(copy, capsys):
    path = Path(METRICS["daylight"])
    before = path.read_text()
    for text, fault in ((before * 2, "2 rows with trained daylight"), ("", "0 rows with trained daylight")):
        path.write_text(text)
        assert fault in trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=2)
    for text in (before[:-9], "null\n", "[1]\n"):
        path.write_text(text)
        assert "not valid JSON Lines" in trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=2)
    path.write_text(re.sub(r'"CIDEr": [^,}]*', '"CIDEr": "x"', before))
    assert "CIDEr: could not convert" in trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=2)


@pytest.mark.parametrize("wrong", [{"columns": None}, {"columns": []}, {"digits": "x"}, {"rows": [1]}, {"title": {}}])
def test_a_table_of_another_form_is_named(copy, capsys, wrong):
    table = Path(IN_DOMAIN).with_suffix(".json")
    table.write_text(json.dumps(json.loads(table.read_text()) | wrong))
    assert "not a table of this version" in trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", fails=2)


def test_a_file_made_again_without_what_follows_is_named(copy, capsys):
    Path(ADAPTOR).write_bytes(b"another run")
    record = json.loads(Path(f"{ADAPTOR}.prov.json").read_text())
    record["outputs"][ADAPTOR]["sha256"] = digest(ADAPTOR)
    Path(f"{ADAPTOR}.prov.json").write_text(json.dumps(record))
    (fault,) = traced(capsys, PREDICTIONS, fails=1)["faults"]
    assert f"{ADAPTOR}: " in fault
    assert "predict read other bytes" in fault


def test_a_missing_or_damaged_record_ends_the_chain_with_a_word(copy, capsys):
    path = Path(f"{ADAPTOR}.prov.json")
    before = path.read_text()
    path.unlink()
    faults = traced(capsys, PREDICTIONS, fails=1)["faults"]
    assert [fault.split(":")[0] for fault in faults] == [ADAPTOR]
    assert "no record names it" in faults[0]
    assert f"{ADAPTOR}: no record names it" in trace(capsys, ADAPTOR, fails=2)
    for content, fault in (("{", "not a record"), ("{}", "not a record (step: Field required)")):
        path.write_text(content)
        assert any(fault in one for one in traced(capsys, PREDICTIONS, fails=1)["faults"])
        assert fault in trace(capsys, ADAPTOR, fails=2)
    path.write_text(before)
    Path(f"{RUNS}/copied.prov.json").write_text(before)
    path.unlink()
    assert "another record names the outputs of this job" in trace(capsys, PREDICTIONS, fails=2)


def test_an_ambiguous_or_unknown_place_lists_the_choices(project, capsys):
    text = trace(capsys, IN_DOMAIN, "Daylight", "CIDEr", fails=2)
    assert "3 rows named 'Daylight'" in text
    assert "'Daylight' 'MacCap'" in text
    assert "'Daylight' 'human'" in text
    assert "no row named 'none'; choose one of" in trace(capsys, IN_DOMAIN, "none", "CIDEr", fails=2)
    assert "choose one of CIDEr, SPICE" in trace(capsys, IN_DOMAIN, "Daylight MacCap", "none", fails=2)
    assert "SPICE: empty, not a number" in trace(capsys, IN_DOMAIN, "Daylight MacCap", "SPICE", fails=2)
    assert "give row label(s) and a column" in trace(capsys, IN_DOMAIN, "MacCap", fails=2)
    assert "not a number of a table" in trace(capsys, IN_DOMAIN, "--pointer", "/title", fails=2)


def test_in_a_fresh_clone_the_chain_says_what_is_absent(fresh, capsys, tmp_path):
    found = traced(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", "--graph", str(tmp_path / "chain.mmd"))
    states = {file["path"]: file["state"] for file in found["files"]}
    assert states == {path: "ok" if Path(path).exists() else "absent" for path in states}
    assert {states[ADAPTOR], states[PREDICTIONS]} == {"absent", "ok"}
    assert "stroke:#b3261e" not in (tmp_path / "chain.mmd").read_text(), "no job is marked"
    text = trace(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr")
    assert f"Files absent, as git has only their records: {list(states.values()).count('absent')}.\n" in text
    assert "`again` needs the absent files that its job read" in text
    assert re.search(r"adaptor\.safetensors +[0-9a-f]{12}  absent", text)
    for arguments in ([IN_DOMAIN], [IN_DOMAIN, "--all"], [IN_DOMAIN, "--pointer", "/rows/0/cells/0"], [ADAPTOR]):
        assert not traced(capsys, *arguments)["faults"]
    spoil(WEIGHTS[0])
    assert "Files changed since: 1.\nEvery other file" in trace(capsys, ADAPTOR)
    Path(PREDICTIONS).unlink()
    assert traced(capsys, PREDICTIONS, fails=1)["faults"] == [f"{PREDICTIONS}: is not on this disk"]
    Checkout(fresh)("git", "rm", PREDICTIONS)
    assert traced(capsys, PREDICTIONS, fails=1)["faults"] == [f"{PREDICTIONS}: is not on this disk"]


# --- other ends ----------------------------------------------------------------------------------------------------
def test_a_download_ends_the_chain_with_its_address_and_hash(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asset, made = Path("artifacts/downloads/words.txt"), Path("artifacts/mini/data/words.json")
    for path in (asset, made):
        write_text(path, "{}")
    about = FileAsset("words", "words.txt", ("https://example.org/words.txt",), None, digest(str(asset)))
    write_record("download", Job({}, [asset], about.parameters()), now())
    write_record("captions", Job({"captions": [asset]}, [made]), now())
    text = trace(capsys, str(made))
    assert "https://example.org/words.txt" in text
    assert digest(str(asset)) in text
    assert re.search(rf"words\.txt +{digest(str(asset))[:12]}  ok", text)


def test_the_graph_is_mermaid_text_with_every_job_and_who_read_from_whom(project, capsys, tmp_path):
    found = traced(capsys, IN_DOMAIN, "Daylight", "MacCap", "CIDEr", "--graph", str(tmp_path / "chain.mmd"))
    lines = [line.strip() for line in (tmp_path / "chain.mmd").read_text().splitlines()]
    assert lines[0] == "flowchart LR"
    maker = {path: job["number"] for job in found["jobs"] for path in job["made"]}
    edges = {f"job{maker[p]} --> job{job['number']}" for job in found["jobs"] for p in job["reads"] if p in maker}
    assert edges == {line for line in lines if re.fullmatch(r"job\d+ --> job\d+", line)}
    for job in found["jobs"]:
        assert any(line.startswith(f'job{job["number"]}["[{job["number"]}] {job["step"]}') for line in lines)
    assert {"models/clip: 1", "models/opt: 1"} == {
        line.split('"')[1] for line in lines if line.startswith("source") and '"' in line
    }
    assert "name it .mmd" in trace(capsys, IN_DOMAIN, "--graph", "x.pdf", fails=2)


def test_tracing_loads_no_slow_library(project):
    code = (
        "import sys; from maccap.cli.main import main; main(sys.argv[1:]); "
        f"print([name for name in {SLOW_IMPORTS} if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, "trace", IN_DOMAIN, "Daylight", "MacCap", "CIDEr"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


# --- the page ------------------------------------------------------------------------------------------------------
@pytest.fixture
def page(project, tmp_path) -> Page:
    write_text(tmp_path / "trace.html", trace_page(list(TABLES.values()), "small"))
    return Page((tmp_path / "trace.html").read_text(encoding="utf-8"))


def test_every_number_of_a_table_links_to_its_section(page):
    assert not [place for place, n in Counter(page.ids).items() if n > 1]
    assert all(address.startswith("data:") for address in page.loaded)
    for name, path in TABLES.items():
        table_page = Page(Path(path).with_suffix(".html").read_text(encoding="utf-8"))
        cells = [
            cell_anchor(name, row["labels"], column)
            for row in json.loads(Path(path).read_text())["rows"]
            for column, cell in zip(("CIDEr", "ΔCIDEr", "95 % low"), row["cells"])
            if isinstance(cell, dict)
        ]
        links = [urljoin(f"tables/{name}.html", link) for link, _ in table_page.links]
        assert links == [f"trace.html#{cell}" for cell in cells]
        assert set(cells) <= set(page.ids)


def test_the_page_says_each_value_behind_a_number_and_which_row_it_is(page, tmp_path):
    text = (tmp_path / "trace.html").read_text(encoding="utf-8")
    for name, path in TABLES.items():
        table = json.loads(Path(path).read_text())
        for row in table["rows"]:
            for column, about in zip(table["columns"], row["cells"]):
                if not isinstance(about, dict):
                    continue
                place = cell_anchor(name, row["labels"], column)
                own = text[text.index(f'<section id="{place}">') :].split("</section>")[0]
                above = text[: text.index(f'<section id="{place}">')].rsplit('<p id="row-', 1)[1]
                for source in about["sources"]:
                    lines = map(json.loads, Path(source["file"]).read_text().splitlines())
                    [found] = [line for line in lines if all(line.get(k) == v for k, v in source["row"].items())]
                    assert f"{found[source['column']]:.4f}" in own
                    assert source["file"] in above
                    told = [f"{key} {value}" for key, value in source["row"].items() if value is not None]
                    assert all(part in above + own for part in told)


def test_the_page_has_every_job_and_file_once_and_no_dead_link(page, tmp_path):
    assert {link.removeprefix("#") for link, _ in page.links} - {"report.html", "samples.html"} <= set(page.ids)
    recorded, behind = records(), dict.fromkeys(TABLES.values())
    todo = list(behind)
    for path in todo:
        todo += [source for source in sources(recorded[path]) if source not in behind] if path in recorded else []
        behind |= dict.fromkeys(todo)
    assert {artifact_anchor(path) for path in behind} <= set(page.ids)
    text = (tmp_path / "trace.html").read_text()
    assert all(digest(path) in text for path in behind)
    jobs = {recorded[path]["command"] for path in behind if path in recorded}
    assert len([place for place in page.ids if re.fullmatch(r"job-\d+", place)]) == len(jobs)
    assert all(text.count(command) == 1 for command in jobs)


def test_places_are_stable_names():
    assert cell_anchor("in_domain", ["Daylight", "MacCap"], "CIDEr") == "in_domain-daylight-maccap-cider"
    assert cell_anchor("ablation", ["fusion weight 0.3"], "ΔCIDEr") == "ablation-fusion-weight-0-3-δcider"
    labels = ["COCO → VQA v2", "MacCap", "", "x"]
    assert cell_anchor("reported", labels, "95 % low") == "reported-coco-vqa-v2-maccap-x-95-low"
    assert artifact_anchor("artifacts/a b/ü.json") == "artifacts/a%20b/%C3%BC.json"
