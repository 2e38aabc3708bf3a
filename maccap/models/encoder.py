"""CLIP through open_clip: loading and saving, text features."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from ..core.artifacts import atomic, write_json
from ..core.errors import EncoderError
from .clip_features import encode_text, require_class_token
from .fast.fused_blocks import image_blocks
from .fast.matrix_products import onednn
from .weights import LOAD_ERRORS, model_files, reason

CPU_CAPTIONS = 32  # captions in a batch on a CPU: few enough to be of similar length
CPU_IMAGES = 8  # images in a batch on a CPU: few enough for its caches
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
SMALLEST_TEXT_TOWER = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class Encoder:
    """A frozen open_clip model with its tokenizer, its image transform and its architecture (open_clip's model_cfg)."""

    model: Any
    tokenizer: Any
    transform: Any
    architecture: dict[str, Any]

    @property
    def dim(self) -> int:
        """The dimension of its features."""
        return int(self.architecture["embed_dim"])

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def logit_scale(self) -> float:
        """What CLIP multiplies cosines by before a softmax."""
        return float(self.model.logit_scale.exp())

    @cached_property
    def fast_blocks(self) -> list[Any]:
        """The image tower's blocks, prepared for batches of CPU_IMAGES on a CPU; made when first asked for."""
        return image_blocks(self.model.visual, CPU_IMAGES * len(self.model.visual.positional_embedding))

    def text_only(self) -> Encoder:
        """This encoder without its image tower, whose memory is freed."""
        self.model.visual = None
        return self

    @torch.inference_mode()
    @onednn()
    def text_features(self, captions: list[str], batch_size: int = 512) -> torch.Tensor:
        """L2-normalised text features, float32 [N, d], on the CPU.

        Captions are encoded longest first, so that each batch is cut to its own longest caption; on a CPU batches are
        small. A caption longer than the context loses its tail but keeps the end token.
        """
        if self.device.type == "cpu":
            batch_size = min(batch_size, CPU_CAPTIONS)
        if not captions:
            raise EncoderError("no captions to encode: pass at least one")
        ids = self.tokenizer(captions)
        order = torch.argsort(ids.argmax(dim=-1), descending=True, stable=True)
        batches = [
            F.normalize(encode_text(self.model, ids[rows].to(self.device)).float(), dim=-1).cpu()
            for rows in order.split(batch_size)
        ]
        features = torch.cat(batches)
        return features[torch.argsort(order)]


class EncodedOnce:
    """Text features of an encoder, kept, so that no text is encoded twice."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.known: dict[str, torch.Tensor] = {}

    def features(self, texts: list[str]) -> torch.Tensor:
        """As `Encoder.text_features`."""
        new = list(dict.fromkeys(text for text in texts if text not in self.known))
        if new:
            self.known |= zip(new, self.encoder.text_features(new), strict=True)
        return torch.stack([self.known[text] for text in texts]) if texts else torch.empty(0, self.encoder.dim)


def load_encoder(
    name: str,
    pretrained: str | None = None,
    device: torch.device | str = "cpu",
    weights: Path | str | None = None,
    *,
    tokens: bool = True,
) -> Encoder:
    """Load a CLIP.

    Its activation is QuickGELU exactly when the weights need it: when the architecture or the weights tag says so, or
    when the file is a TorchScript archive, the format of OpenAI's own releases.

    Args:
        name: a local folder with open_clip_config.json, an open_clip model name, or `hf-hub:` and a hub name.
        pretrained: with a model name: a weights tag, or a weights file (.pt, .bin, .safetensors).
        weights: with a model name: a downloaded file, read in place of fetching what the tag `pretrained` names.
        tokens: insist on an image tower that is a ViT with a class token.

    Raises:
        DataError: a file is empty, a pointer of Git LFS or an HTML page.
        EncoderError: the name, the tag or the file does not exist or does not fit; or the image tower has no class
            token but must have one; this is checked before the weights of a model name are fetched.
    """
    import open_clip

    in_folder = Path(name).is_dir()
    if "/" in name and ":" not in name and not in_folder:
        raise EncoderError(f"encoder folder {name} does not exist: correct its name, in a config `encoder.name`")
    source = f"local-dir:{name}" if in_folder else name
    if in_folder:
        model_files(name)
    try:
        architecture = _architecture(source, tokens)
        file, options = (None, {}) if ":" in source else _weights_of_name(name, pretrained, weights)
        quick_gelu = options.pop("quick_gelu", False)
        architecture["quick_gelu"] = bool(quick_gelu or architecture.get("quick_gelu"))
        model, _, transform = open_clip.create_model_and_transforms(
            source, device=device, force_quick_gelu=architecture["quick_gelu"], require_pretrained=True,
            pretrained_text=False, **options,
        )  # fmt: skip
        if file:
            _require_same_shapes(model, file)
        tokenizer = open_clip.get_tokenizer(source)
    except LOAD_ERRORS as error:
        raise EncoderError(
            f"encoder {name!r} ({weights or pretrained}): {reason(error)}; name another model or other weights"
        ) from error
    return Encoder(model.eval().requires_grad_(False), tokenizer, transform, architecture)


def _architecture(source: str, tokens: bool) -> dict[str, Any]:
    """open_clip's model_cfg. Where tokens are needed, the image tower is built without weights to see if it has any."""
    import open_clip

    config = open_clip.get_model_config(source)
    if config is None:
        raise EncoderError(f"open_clip has no model {source!r}: correct its name, in a config `encoder.name`")
    if tokens:
        with torch.device("meta"):
            require_class_token(open_clip.CLIP(config["embed_dim"], config["vision_cfg"], SMALLEST_TEXT_TOWER).visual)
    return config


def _weights_of_name(
    name: str, pretrained: str | None, weights: Path | str | None
) -> tuple[Path | None, dict[str, Any]]:
    """The weights file of a model name, if given, and open_clip's options to load it or to fetch the tag's."""
    import open_clip

    tag = open_clip.get_pretrained_cfg(name, pretrained) if pretrained else {}
    if pretrained and not tag and (weights or not Path(pretrained).is_file()):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise EncoderError(f"{pretrained!r} is neither a file nor a weights tag of {name} (known: {tags})")
    file = weights or (None if tag else pretrained)
    if not tag and not file:
        raise EncoderError(f"{name} is an architecture: name its weights in `encoder.pretrained`, a tag or a file")
    options = {f"image_{key}": tag[key] for key in ("mean", "std", "interpolation", "resize_mode") if tag}
    options["quick_gelu"] = tag.get("quick_gelu", False)
    if file is None:
        return None, options | {"pretrained": pretrained}
    (file,) = map(Path, model_files(file))
    from_openai = _is_torchscript(file)
    if tag and from_openai and not tag.get("quick_gelu"):
        raise EncoderError(f"{file} is an archive as OpenAI publishes them, not the weights of the tag {pretrained!r}")
    options["quick_gelu"] |= from_openai
    return file, options | {"pretrained": str(file), "weights_only": not from_openai}


def _is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _require_same_shapes(model: Any, file: Path) -> None:
    """Refuse weights of another size of the same architecture: open_clip stretches their positions to fit."""
    import open_clip

    if _is_torchscript(file):
        state = torch.jit.load(file, map_location="cpu").state_dict()
    else:
        state = open_clip.factory.load_state_dict(str(file))
    for key, value in model.state_dict().items():
        if key in state and state[key].numel() != value.numel():
            raise EncoderError(
                f"{file} is of another model: {key} has {tuple(state[key].shape)}, expected {tuple(value.shape)}"
            )


def save_encoder(encoder: Encoder, folder: Path | str) -> None:
    """Write a folder that `load_encoder` reads: architecture, preprocessing and weights as they are.

    A tokenizer other than open_clip's own is written beside them as tokenizer.json and tokenizer_config.json.

    Raises:
        EncoderError: the text tower is a model of its own on the hub, which such a folder cannot hold.
    """
    from open_clip.tokenizer import HFTokenizer

    folder = Path(folder)
    if "hf_model_name" in encoder.architecture["text_cfg"]:
        raise EncoderError(
            "this encoder's text tower comes from the hub and cannot be kept in a folder: choose another"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(encoder.tokenizer, HFTokenizer):
        encoder.tokenizer.save_pretrained(folder)
    state = {key: value.cpu().contiguous() for key, value in encoder.model.state_dict().items()}
    with atomic(folder / WEIGHTS) as part:
        save_file(state, part)
    preprocessing = encoder.model.visual.preprocess_cfg
    write_json(folder / CONFIG, {"model_cfg": encoder.architecture, "preprocess_cfg": preprocessing})
