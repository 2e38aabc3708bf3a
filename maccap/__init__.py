"""Reproduce MacCap: zero-shot captioning through text-only training (Qiu, Ning, He; AAAI 2024).

The names below are the stable ones. Each is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inference.run import load_run
    from .metrics.captions import caption_scores
    from .metrics.vqa import vqa_accuracy
    from .models.adaptor import Adaptor
    from .models.clip_features import image_tokens_and_attention
    from .models.encoder import load_encoder
    from .models.language_model import LanguageModel, load_language_model
    from .models.noise import inject_noise
    from .models.subregions import aggregate, fuse
    from .training.loss import reconstruction_loss

__version__ = "0.1.0"

_MODULES = {
    "Adaptor": ".models.adaptor",
    "LanguageModel": ".models.language_model",
    "aggregate": ".models.subregions",
    "caption_scores": ".metrics.captions",
    "fuse": ".models.subregions",
    "image_tokens_and_attention": ".models.clip_features",
    "inject_noise": ".models.noise",
    "load_encoder": ".models.encoder",
    "load_language_model": ".models.language_model",
    "load_run": ".inference.run",
    "reconstruction_loss": ".training.loss",
    "vqa_accuracy": ".metrics.vqa",
}

__all__ = [
    "Adaptor",
    "LanguageModel",
    "aggregate",
    "caption_scores",
    "fuse",
    "image_tokens_and_attention",
    "inject_noise",
    "load_encoder",
    "load_language_model",
    "load_run",
    "reconstruction_loss",
    "vqa_accuracy",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
