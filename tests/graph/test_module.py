"""The workflow as a module of another workflow, as config/README.md says it."""

import re
import shutil
from pathlib import Path

import yaml

from tests.helpers import ROOT
from tests.helpers.checkout import Checkout, jobs_of


def test_another_workflows_folder_plans_the_jobs_of_this_one(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    [told] = re.findall(r"```python\n(.*?)```", (ROOT / "config/README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(told.replace("/path/to/maccap", str(ROOT)), encoding="utf-8")
    other = Checkout(tmp_path)
    other.variables = {"PYTHONPATH": str(ROOT)}
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert other.snakemake_plan() == jobs_of(set(stages) - {"dag-check"})
