"""Caption metrics, VQA accuracy and CLIPScore."""

from .caption_metrics.clipscore import clip_scores, ref_clip_scores
from .caption_metrics.spice import supply_spice
from .captions import CaptionScores, caption_scores, check_coverage, score_pairs
from .java import ensure_java, spice_available
from .vqa import VqaAccuracy, vqa_accuracy

__all__ = [
    "CaptionScores",
    "VqaAccuracy",
    "caption_scores",
    "check_coverage",
    "clip_scores",
    "ensure_java",
    "ref_clip_scores",
    "score_pairs",
    "spice_available",
    "supply_spice",
    "vqa_accuracy",
]
