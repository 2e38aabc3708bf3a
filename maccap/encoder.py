"""CLIP through open_clip: text features; image features with all tokens and the last attention map."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.nn import functional as F

from .artifacts import atomic, write_json
from .errors import EncoderError

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
LOAD_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.PickleError, SafetensorError)


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

    @torch.inference_mode()
    def text_features(self, captions: list[str], batch_size: int = 512) -> torch.Tensor:
        """L2-normalised text features, float32 [N, d], on the CPU.

        Captions are encoded longest first, so that each batch is cut to its own longest caption;
        a caption longer than the context loses its tail but keeps the end token.
        """
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
        EncoderError: the name, the tag or the file does not exist or does not fit; or the image tower has no class
            token but must have one, which is found out before any weights of a model name are fetched.
    """
    import open_clip

    in_folder = Path(name).is_dir()
    if "/" in name and ":" not in name and not in_folder:
        raise EncoderError(f"encoder folder {name} does not exist: correct `encoder.name` in the config")
    source = f"local-dir:{name}" if in_folder else name
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
            f"encoder {name!r} ({weights or pretrained}): {error}; see `encoder` in the config"
        ) from error
    return Encoder(model.eval().requires_grad_(False), tokenizer, transform, architecture)


def _architecture(source: str, tokens: bool) -> dict[str, Any]:
    """open_clip's model_cfg; where tokens are needed, its image tower is built without weights to see if it has any."""
    import open_clip

    config = open_clip.get_model_config(source)
    if config is None:
        raise EncoderError(f"open_clip has no model {source!r}: correct `encoder.name` in the config")
    if tokens:
        with torch.device("meta"):
            _require_class_token(open_clip.model._build_vision_tower(config["embed_dim"], config["vision_cfg"]))
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
    file = Path(file)
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


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Text features [B, d], not normalised, of token ids [B, context].

    CLIP's text tower is causal and reads only its end token (the highest id), so positions after the last
    end token of the batch are cut off; towers that pool otherwise go through open_clip unchanged.
    """
    if getattr(model, "text_pool_type", None) != "argmax":
        return model.encode_text(tokens)
    ends = tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(tokens), device=tokens.device), ends]
    projection = model.text_projection
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection


def image_tokens_and_attention(model: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Global features, projected tokens and the last block's attention of an open_clip ViT.

    Args:
        model: an open_clip model whose image tower is a ViT with a class token.
        images: float [B, 3, H, W], already normalised by the model's transform.

    Returns:
        global features [B, d] as the tower returns them; all tokens [B, T, d], class token first, after
        `ln_post` and the visual projection, L2-normalised; the attention map [B, T, T] of the last block,
        averaged over heads (the released code's `require_attn`).

    Raises:
        EncoderError: the image tower has no class token or pools otherwise.
    """
    visual: Any = getattr(model, "visual", None)
    _require_class_token(visual)
    x = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    normed = last.ln_1(x)
    attended, attention = last.attn(normed, normed, normed, need_weights=True, average_attn_weights=True)
    x = x + last.ls_1(attended)
    x = x + last.ls_2(last.mlp(last.ln_2(x)))
    tokens = visual.ln_post(x)
    if visual.proj is not None:
        tokens = tokens @ visual.proj
    return tokens[:, 0], F.normalize(tokens, dim=-1), attention


def has_class_token(visual: Any) -> bool:
    """Whether an image tower is one that `image_tokens_and_attention` reads."""
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    return (
        isinstance(visual, VisionTransformer)
        and visual.pool_type == "tok"
        and visual.attn_pool is None
        and isinstance(visual.transformer.resblocks[-1], ResidualAttentionBlock)
    )


def _require_class_token(visual: Any) -> None:
    if not has_class_token(visual):
        raise EncoderError(
            "subregions need a ViT image tower with a class token and plain attention (not SigLIP, CoCa, a ResNet or "
            "another timm model): choose one such as ViT-B-32"
        )
