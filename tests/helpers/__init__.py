"""What tests share: where the project and the reference data lie, small models, servers, checkouts."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"  # reference data beside the checkout, where there is one
