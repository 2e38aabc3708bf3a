"""The embedded world's data sets, which the workflow draws by itself and writes as Karpathy's split."""

from .karpathy import read_splits

__all__ = ["FORMAT", "read_splits"]

FORMAT = {
    "description": "drawn scenes of the embedded world",
    "splits": ("train", "val", "test"),
    "section": "scenes",
}
