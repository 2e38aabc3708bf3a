"""What this package uses of Snakemake and torch by private names: proved with the versions that are installed."""

from types import SimpleNamespace

import pytest

from maccap.core.errors import EnvironmentProblem
from maccap.lineage import snakemake_private
from maccap.models import torch_private
from tests.helpers import ROOT


@pytest.mark.parametrize(("library", "adapter"), [("snakemake", snakemake_private), ("torch", torch_private)])
def test_the_version_that_private_names_were_proved_with_is_the_locked_one(library, adapter):
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert f"{library}=={adapter.PROVED}" in [line.split()[0] for line in lock if line]


@pytest.mark.parametrize("has", [{}, {"_workflow": SimpleNamespace(_prepare_dag=print)}])
def test_a_snakemake_that_plans_by_other_names_is_refused_by_its_version(has):
    api = SimpleNamespace(dag=lambda settings: SimpleNamespace(workflow_api=SimpleNamespace(**has)))
    with pytest.raises(EnvironmentProblem, match=r"snakemake \d.* plans by other names .* install that version"):
        snakemake_private.planned(api, None)
