"""CLIP encoders of every origin: archives as OpenAI publishes them, weights tags, files, folders; and the refusals."""

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from maccap.core.errors import DataError, EncoderError
from maccap.core.job import Job
from maccap.models.clip_features import image_tokens_and_attention
from maccap.models.encoder import load_encoder, save_encoder
from maccap.models.image_features import encode_images
from maccap.steps import encoder as step
from maccap.world.drawing import draw
from maccap.world.scenes import scenes
from tests.helpers.tiny import SHIPPED

VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
SMALL_TEXT = TEXT | {"vocab_size": 1}
TINY = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
CAPTIONS = ["a red boat", "two dogs on a long sandy beach", "Fish.", "a " * 30]
HALVES = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
UNUSABLE = "class token"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A tiny CLIP's weights under the names of OpenAI's release, which are open_clip's, rounded to float16 as there."""
    state = open_clip.CLIP(16, VISION, TEXT).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, value in state.items():
        value.normal_(float("ln_" in name and name.endswith("weight")), 0.3, generator=generator)
    return {name: value.half() for name, value in state.items()}


def transformer(state: dict, prefix: str, x: torch.Tensor, heads: int, activation, mask=None) -> torch.Tensor:
    """Two pre-norm blocks written out."""

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    for i in range(2):
        block = f"{prefix}transformer.resblocks.{i}"
        y = norm(f"{block}.ln_1", x) @ state[f"{block}.attn.in_proj_weight"].T + state[f"{block}.attn.in_proj_bias"]
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in y.chunk(3, dim=-1))
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores + mask
        y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + y @ state[f"{block}.attn.out_proj.weight"].T + state[f"{block}.attn.out_proj.bias"]
        y = norm(f"{block}.ln_2", x) @ state[f"{block}.mlp.c_fc.weight"].T + state[f"{block}.mlp.c_fc.bias"]
        x = x + activation(y) @ state[f"{block}.mlp.c_proj.weight"].T + state[f"{block}.mlp.c_proj.bias"]
    return x


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.702 * x)


def image_feature(state: dict, images: torch.Tensor, activation) -> torch.Tensor:
    """The image tower of OpenAI's CLIP written out, [B, 16]."""
    state = {key: value.float() for key, value in state.items()}
    patches = images.unfold(2, 16, 16).unfold(3, 16, 16).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    x = patches @ state["visual.conv1.weight"].flatten(1).T
    x = torch.cat([state["visual.class_embedding"].expand(len(x), 1, -1), x], 1) + state["visual.positional_embedding"]
    x = F.layer_norm(x, (32,), state["visual.ln_pre.weight"], state["visual.ln_pre.bias"])
    x = transformer(state, "visual.", x, 2, activation)[:, 0]
    return F.layer_norm(x, (32,), state["visual.ln_post.weight"], state["visual.ln_post.bias"]) @ state["visual.proj"]


def text_feature(state: dict, ids: torch.Tensor, activation) -> torch.Tensor:
    """The text tower of OpenAI's CLIP written out, normalised [B, 16]."""
    state = {key: value.float() for key, value in state.items()}
    x = state["token_embedding.weight"][ids] + state["positional_embedding"]
    x = transformer(state, "", x, 2, activation, torch.full((12, 12), -torch.inf).triu(1))
    x = F.layer_norm(x, (16,), state["ln_final.weight"], state["ln_final.bias"])
    return F.normalize(x[torch.arange(len(ids)), ids.argmax(-1)] @ state["text_projection"], dim=-1)


class Holder(nn.Module):
    """A module that only holds tensors under dotted names, and compiles to TorchScript."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()
        below: dict[str, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            head, _, rest = name.partition(".")
            if rest:
                below.setdefault(head, {})[rest] = value
            else:
                self.register_buffer(head, value)
        for head, inner in below.items():
            self.add_module(head, Holder(inner))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture(scope="module")
def archive(state, tmp_path_factory) -> Path:
    """The weights as OpenAI publishes them: a TorchScript archive that also tells three sizes."""
    sizes = {"input_resolution": 32, "context_length": 12, "vocab_size": 49408}
    path = tmp_path_factory.mktemp("openai") / "tiny.pt"
    torch.jit.script(Holder(state | {name: torch.tensor(size) for name, size in sizes.items()})).save(str(path))
    return path


@pytest.fixture(scope="module")
def plain(state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "weights.safetensors"
    save_file({key: value.float() for key, value in state.items()}, path)
    return path


@pytest.fixture(autouse=True, scope="module")
def architectures(tmp_path_factory) -> Iterator[None]:
    """`tiny` and `tiny-quickgelu` among open_clip's own architectures."""
    folder = tmp_path_factory.mktemp("configs")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    (folder / "tiny-quickgelu.json").write_text(json.dumps(TINY | {"quick_gelu": True}))
    open_clip.add_model_config(folder)
    yield
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)
    open_clip.factory._rescan_model_configs()


@pytest.fixture
def tags(plain, monkeypatch) -> None:
    """Two weights tags of `tiny` whose weights are already here."""
    known = {"quick": HALVES | {"file": str(plain), "quick_gelu": True}, "smooth": HALVES | {"file": str(plain)}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", known)


def images(side: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def activation_of(encoder, state) -> str:
    """Which activation the encoder computes with, told from the features of both towers."""
    ids = encoder.tokenizer(CAPTIONS)
    expected = {
        name: (image_feature(state, images(), activation), text_feature(state, ids, activation))
        for name, activation in (("QuickGELU", quick_gelu), ("GELU", F.gelu))
    }
    global_, text = image_tokens_and_attention(encoder.model, images())[0], encoder.text_features(CAPTIONS)
    (name,) = [
        name
        for name, (image_expected, text_expected) in expected.items()
        if torch.allclose(global_, image_expected, atol=1e-4) and torch.allclose(text, text_expected, atol=1e-4)
    ]
    return name


def test_other_files_follow_the_architecture(plain, state):
    assert activation_of(load_encoder("tiny", str(plain)), state) == "GELU"
    assert activation_of(load_encoder("tiny-quickgelu", str(plain)), state) == "QuickGELU"


@pytest.mark.parametrize(("tag", "activation"), [("quick", "QuickGELU"), ("smooth", "GELU")])
def test_a_tag_decides_activation_and_preprocessing_wherever_the_weights_come_from(
    tags, tag, activation, plain, state, recwarn
):
    for weights in (None, plain):
        encoder = load_encoder("tiny", tag, weights=weights)
        assert activation_of(encoder, state) == activation
        grey = Image.new("RGB", (80, 40), (255, 255, 255))
        assert torch.allclose(encoder.transform(grey), torch.ones(3, 32, 32))
    assert not [w for w in recwarn if "QuickGELU" in str(w.message)]


@pytest.mark.parametrize(
    ("name", "tag", "quick"),
    [
        ("ViT-B-32", "openai", True), ("ViT-B-16", "openai", True), ("ViT-L-14", "openai", True),
        ("ViT-L-14-336", "openai", True), ("ViT-B-32", "metaclip_400m", True), ("ViT-B-16", "dfn2b", True),
        ("ViT-B-32-quickgelu", "openai", True), ("ViT-B-32", "laion2b_s34b_b79k", False),
        ("ViT-B-16", "laion2b_s34b_b88k", False), ("ViT-L-14", "datacomp_xl_s13b_b90k", False),
        ("roberta-ViT-B-32", "laion2b_s12b_b32k", True),
    ],
)  # fmt: skip
def test_published_weights_get_the_activation_they_were_trained_with(name, tag, quick, monkeypatch):
    create = Mock(side_effect=FileNotFoundError)
    monkeypatch.setattr(open_clip, "create_model_and_transforms", create)
    with pytest.raises(EncoderError):
        load_encoder(name, tag)
    assert create.call_args.kwargs["force_quick_gelu"] is quick
    assert create.call_args.kwargs["pretrained"] == tag


def shrunk(name: str) -> tuple[int, dict]:
    """Embedding size and vision_cfg of an architecture with two narrow layers on 3 x 3 patches, all else as it is."""
    vision = deepcopy(open_clip.get_model_config(name)["vision_cfg"])
    vision |= {"layers": 2, "width": 32, "head_width": 16, "image_size": 3 * vision["patch_size"]}
    return 24, vision


def plain_vits() -> Iterator[str]:
    """Names of open_clip's own ViTs whose feature is the class token, by their configuration files."""
    for name in open_clip.list_models():
        vision = open_clip.get_model_config(name)["vision_cfg"]
        own = "timm_model_name" not in vision and not isinstance(vision.get("layers"), list)
        if own and not vision.get("attentional_pool") and vision.get("pool_type", "tok") == "tok":
            yield name


@torch.no_grad()
def test_the_global_feature_is_the_towers_own_for_every_supported_family():
    families = {json.dumps(shrunk(name), sort_keys=True): name for name in plain_vits()}
    assert {"ViT-B-32", "ViT-L-14", "ViT-M-16-alt"} <= set(plain_vits())
    for family, name in families.items():
        embed_dim, vision = json.loads(family)
        for quick in (False, True):
            torch.manual_seed(0)
            visual = open_clip.CLIP(embed_dim, vision, SMALL_TEXT, quick).visual.eval()
            batch = images(vision["image_size"])
            global_, tokens, attention = image_tokens_and_attention(SimpleNamespace(visual=visual), batch)
            pooled = visual(batch)
            assert torch.allclose(global_, pooled[0] if visual.output_tokens else pooled, atol=1e-5), name
            assert torch.allclose(tokens[:, 0], F.normalize(global_, dim=-1), atol=1e-6)
            assert tokens.shape == (2, 10, 24)
            assert attention.shape == (2, 10, 10)
            assert torch.allclose(attention.sum(-1), torch.ones(2, 10), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tokens", "dim"),
    [("ViT-B-32", 50, 512), ("ViT-B-16", 197, 512), ("ViT-L-14", 257, 768), ("ViT-L-14-336", 577, 768)],
)  # fmt: skip
@torch.no_grad()
def test_token_count_and_dimension_at_full_width(name, tokens, dim):
    config = open_clip.get_model_config(name)
    one_layer = {part: config[part] | {"layers": 1} for part in ("vision_cfg", "text_cfg")}
    model = open_clip.create_model(name, **one_layer).eval()
    one = images(config["vision_cfg"]["image_size"])[:1]
    global_, all_tokens, attention = image_tokens_and_attention(model, one)
    assert all_tokens.shape == (1, tokens, dim)
    assert attention.shape == (1, tokens, tokens)
    assert torch.allclose(global_, model.encode_image(one), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("ViT-B-16-SigLIP", "webli"), ("ViT-B-32-SigLIP2-256", "webli"), ("RN50", "openai"),
        ("coca_ViT-B-32", "laion2b_s13b_b90k"), ("ViT-L-14-CLIPA", "datacomp1b"),
        ("convnext_base", "laion400m_s13b_b51k"),
        ("MobileCLIP-S1", "datacompdr"),
    ],
)  # fmt: skip
def test_towers_without_a_class_token_are_refused_before_anything_is_fetched(name, tag, monkeypatch):
    assert tag in open_clip.list_pretrained_tags_by_model(name)
    fetched = AssertionError("weights were fetched")
    monkeypatch.setattr(open_clip.factory, "download_pretrained", Mock(side_effect=fetched))
    with pytest.raises(EncoderError, match=UNUSABLE):
        load_encoder(name, tag)


@pytest.mark.parametrize(
    "changes",
    [{"attentional_pool": True}, {"attentional_pool": "parallel"}, {"pool_type": "avg"}, {"pool_type": "none"},
     {"qk_norm": True}, {"block_type": "custom"}],
)  # fmt: skip
def test_local_towers_that_pool_or_attend_otherwise_are_refused(changes, tmp_path):
    config = {"model_cfg": TINY | {"vision_cfg": VISION | {"attn_pooler_queries": 4} | changes}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match=UNUSABLE):
        load_encoder(str(tmp_path))
    with pytest.raises(EncoderError, match=UNUSABLE):
        image_tokens_and_attention(open_clip.CLIP(16, config["model_cfg"]["vision_cfg"], SMALL_TEXT), images())


def test_a_saved_folder_gives_the_same_features_to_the_bit_and_keeps_a_tokenizer_of_its_own(tags, plain, tmp_path):
    encoder = load_encoder("tiny", "quick")
    save_encoder(encoder, tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [
        "open_clip_config.json", "open_clip_model.safetensors",
    ]  # fmt: skip
    again = load_encoder(str(tmp_path / "saved"))
    image = Image.effect_noise((90, 50), 80).convert("RGB")
    assert torch.equal(encoder.transform(image), again.transform(image))
    assert torch.equal(encoder.text_features(CAPTIONS), again.text_features(CAPTIONS))
    for ours, theirs in zip(*(image_tokens_and_attention(e.model, images()) for e in (encoder, again))):
        assert torch.equal(ours, theirs)
    encoder = load_encoder(str(SHIPPED / "clip-scenes"))
    save_encoder(encoder, tmp_path)
    assert torch.equal(encoder.text_features(CAPTIONS), load_encoder(str(tmp_path)).text_features(CAPTIONS))


def test_without_its_image_tower_an_encoder_encodes_texts_alike_and_refuses_images(tags, plain):
    whole, texts = load_encoder("tiny", "quick"), load_encoder("tiny", "quick").text_only()
    assert torch.equal(texts.text_features(CAPTIONS), whole.text_features(CAPTIONS))
    assert sum(value.numel() for value in texts.model.parameters()) < sum(v.numel() for v in whole.model.parameters())
    with pytest.raises(EncoderError, match="image tower"):
        image_tokens_and_attention(texts.model, images())


def test_maccap_plain_encodes_texts_by_open_clips_own_function(plain, monkeypatch):
    encoder, used = load_encoder("tiny", str(plain)), []
    encoder.model.transformer.register_forward_hook(lambda *_: used.append(1))
    fast = encoder.text_features(CAPTIONS)
    assert not used
    monkeypatch.setenv("MACCAP_PLAIN", "1")
    assert torch.allclose(encoder.text_features(CAPTIONS), fast, atol=1e-5)
    assert used


SHIPPED_CONFIG = json.loads((SHIPPED / "clip-scenes/open_clip_config.json").read_text(encoding="utf-8"))
VOCABULARY = SHIPPED_CONFIG["model_cfg"]["text_cfg"]["vocab_size"]


@pytest.mark.parametrize(
    "changes", [{"pool_type": "last", "no_causal_mask": True}, {"pool_type": "eos", "eos_id": VOCABULARY - 1}]
)
def test_text_towers_that_pool_otherwise_give_their_own_features(changes, tmp_path):
    text = {
        "context_length": 40, "vocab_size": VOCABULARY, "width": 16, "heads": 2, "layers": 2, "hf_tokenizer_name": ".",
    }  # fmt: skip
    config = {"model_cfg": TINY | {"text_cfg": text | changes}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SHIPPED / "clip-scenes" / file, tmp_path)
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{tmp_path}").eval()
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    encoder = load_encoder(str(tmp_path))
    with torch.no_grad():
        expected = [F.normalize(model.encode_text(encoder.tokenizer([text])), dim=-1)[0] for text in CAPTIONS]
    assert torch.allclose(encoder.text_features(CAPTIONS, batch_size=3), torch.stack(expected), atol=1e-5)


def test_the_step_writes_a_folder_from_a_downloaded_archive_of_openai_which_means_quickgelu(archive, state, tmp_path):
    outputs = [tmp_path / file for file in ("index.json", "open_clip_config.json", "open_clip_model.safetensors")]
    step.run(Job({"weights": [archive]}, outputs, {"encoder.name": "tiny", "encoder.pretrained": None}))
    assert all(path.is_file() for path in outputs)
    assert activation_of(load_encoder(str(tmp_path)), state) == "QuickGELU"


def test_weights_that_do_not_fit_and_a_folder_without_its_files_are_refused(tags, archive, plain, tmp_path):
    (tmp_path / "half.pt").write_bytes(archive.read_bytes()[:20000])
    (tmp_path / "cut.safetensors").write_bytes(plain.read_bytes()[:20000])
    (tmp_path / "page.pt").write_text("<html>not found</html>")
    whole = load_file(plain)
    save_file(whole | {"visual.positional_embedding": torch.randn(10, 32)}, tmp_path / "larger.safetensors")
    save_file({k: v for k, v in whole.items() if k != "visual.proj"}, tmp_path / "fewer.safetensors")
    for file in tmp_path.iterdir():
        with pytest.raises((EncoderError, DataError), match=file.name):
            load_encoder("tiny", str(file))
    with pytest.raises(EncoderError, match="not the weights of the tag 'smooth'"):
        load_encoder("tiny", "smooth", weights=archive)
    (folder := tmp_path / "folder").mkdir()
    with pytest.raises(EncoderError, match=r"open_clip_config\.json"):
        load_encoder(str(folder))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    with pytest.raises(EncoderError, match="could not be loaded"):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    ("name", "pretrained", "words"),
    [
        ("ViT-B-32", None, r"name its weights in `encoder\.pretrained`"),
        ("ViT-B-32", "opanai", r"'opanai' is neither a file nor a weights tag of ViT-B-32 .*openai"),
        ("ViT-B-33", "openai", "no model 'ViT-B-33'"),
        ("some/absent", None, r"folder .*absent does not exist: correct its name"),
    ],
)
def test_what_does_not_exist_is_named(name, pretrained, words):
    with pytest.raises(EncoderError, match=words):
        load_encoder(name, pretrained)


@pytest.mark.parametrize(("dtype", "nearness"), [(torch.bfloat16, 0.999), (torch.float16, 0.9999)], ids=str)
def test_features_in_half_precision_are_near_those_in_float32(dtype, nearness):
    """Cosines of texts, images and tokens, and probabilities of attention."""
    images = [draw(scene, rng) for scene, rng in scenes("daylight", "test", 6, 1)]
    found = []
    for encoder in (load_encoder(str(SHIPPED / "clip-scenes")), load_encoder(str(SHIPPED / "clip-scenes"))):
        encoder.model.to(dtype if found else torch.float32)
        found.append((encoder.text_features(CAPTIONS), *encode_images(encoder, images)))
    for full, half in list(zip(*found))[:3]:
        assert F.cosine_similarity(full, half, dim=-1).min() > nearness
    assert (found[0][3] - found[1][3]).abs().max() < 0.005
