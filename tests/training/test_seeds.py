"""Seeds as jobs of their own, as schedulers run them, make the same bytes as all of them in one process."""

import gzip
import shutil

import pytest

from tests.helpers.checkout import Checkout, make_checkout

TOGETHER = "from pathlib import Path; from tests.helpers.in_process import run_all; run_all(Path())"
CAPTIONS_OF_EACH = """
from dataclasses import replace
from pathlib import Path
from maccap.graph.snakemake_graph import read_graph
from maccap.steps.runner import run_jobs
from tests.helpers.in_process import job_of
job = job_of(read_graph("tiny"), "predict")
for adaptor in job.inputs["adaptors"]:
    own = replace(
        job,
        inputs=job.inputs | {"adaptors": [adaptor]},
        outputs=[Path(f"{adaptor.parent.name}.jsonl")],
        settings=job.settings | {"seed": int(adaptor.parent.name[1:]), "repeats": 1},
    )
    run_jobs("predict", [own])
"""
TIMED = (".prov.json", ".sha256", "trace.html")


def made(checkout: Checkout) -> dict[str, bytes]:
    """What a profile's jobs made, but records, their lists and page, which hold times."""
    files = [path for name in ("artifacts/tiny", "results/tiny") for path in (checkout.folder / name).rglob("*")]
    return {
        str(path.relative_to(checkout.folder)): path.read_bytes()
        for path in files
        if path.is_file() and not path.name.endswith(TIMED)
    }


@pytest.mark.drivers
def test_seeds_as_jobs_of_their_own_make_the_bytes_of_seeds_in_one_process(tmp_path):
    apart = make_checkout(tmp_path / "apart")
    apart.edit("config/tiny.yaml", "repeats: 1", "repeats: 2")
    shutil.copytree(apart.folder, tmp_path / "together")
    together = Checkout(tmp_path / "together")
    assert {"train-daylight-maccap-2401", "train-daylight-maccap-2402"} <= apart.snakemake_run()
    together("python", "-c", TOGETHER)
    assert made(apart) == made(together)
    together("python", "-c", CAPTIONS_OF_EACH)
    rows = [line for seed in (2401, 2402) for line in together.text(f"s{seed}.jsonl").splitlines()]
    shared = together.folder / "artifacts/tiny/predictions/daylight/maccap.1.jsonl.gz"
    assert rows == gzip.decompress(shared.read_bytes()).decode().splitlines()
    runs = apart.folder / "artifacts/tiny/runs/daylight/maccap"
    assert len({(runs / seed / "adaptor.safetensors").read_bytes() for seed in ("s2401", "s2402")}) == 2
