"""What runs fast gives the numbers of open_clip's and torch's own code, and runs only where it applies."""

from types import SimpleNamespace

import pytest
import torch
from open_clip import CLIP
from torch import nn
from torch.nn import functional as F

from maccap.core.errors import EnvironmentProblem
from maccap.models import torch_private
from maccap.models.attention_block import Block
from maccap.models.clip_features import embed_patches, image_tokens_and_attention
from maccap.models.encoder import Encoder
from maccap.models.fast import fused_blocks, matrix_products
from maccap.models.fast.fused_blocks import FusedBlock, image_blocks
from maccap.models.fast.matrix_products import onednn
from maccap.models.image_features import encode_images

VISION = {"layers": 3, "width": 64, "head_width": 16, "patch_size": 8, "image_size": 24}
TEXT = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}
ROWS = 10  # tokens of an image

needs_onednn = pytest.mark.skipif(
    not fused_blocks.available(), reason="needs a torch with oneDNN and MKL (an x86-64 wheel from PyPI)"
)


class Model(nn.Module):
    def __init__(self, quick: bool, **changes) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.visual = CLIP(16, VISION | changes, TEXT, quick).visual
        for parameter in self.visual.parameters():
            nn.init.normal_(parameter, std=0.2)


def built(quick: bool, **changes) -> Model:
    return Model(quick, **changes).eval().requires_grad_(False)


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 24, 24, generator=torch.Generator().manual_seed(1))


@needs_onednn
@pytest.mark.parametrize(
    ("quick", "changes"),
    [(True, {}), (False, {}), (False, {"act_kwargs": {"approximate": "tanh"}})],
    ids=["QuickGELU", "GELU", "GELU by tanh"],
)
@pytest.mark.parametrize("count", [1, 4, 9], ids=["fewer rows", "the rows they are packed for", "more rows"])
def test_the_numbers_are_those_of_the_tower(quick, changes, count):
    model = built(quick, **changes)
    blocks = image_blocks(model.visual, 4 * ROWS)
    assert [type(block) for block in blocks] == 3 * [FusedBlock]
    x = embed_patches(model.visual, images(count))
    for fused, own in zip(blocks, model.visual.transformer.resblocks, strict=True):
        torch.testing.assert_close(fused(x), own(x), rtol=1e-5, atol=1e-5)
        x = own(x)
    parts = zip(
        image_tokens_and_attention(model, images(count), blocks),
        image_tokens_and_attention(model, images(count)),
        strict=True,
    )
    for ours, plain in parts:
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


@needs_onednn
def test_exact_and_approximate_gelu_are_told_apart():
    smooth, tanh = built(False), built(False, act_kwargs={"approximate": "tanh"})
    x = 3 * embed_patches(smooth.visual, images(4))
    exact, approximate = (image_blocks(model.visual, 4 * ROWS)[0](x) for model in (smooth, tanh))
    assert (exact - approximate).abs().max() > 1e-4


@pytest.mark.parametrize("change", ["layer scale", "another activation", "another dtype", "no oneDNN", "MACCAP_PLAIN"])
def test_what_cannot_be_fused_runs_as_open_clips_own_blocks(change, monkeypatch):
    model = built(True, **({"ls_init_value": 0.5} if change == "layer scale" else {}))
    if change == "another activation":
        for block in model.visual.transformer.resblocks:
            block.mlp.gelu = nn.SiLU()
    if change == "another dtype":
        model = model.double()
    if change == "no oneDNN":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    if change == "MACCAP_PLAIN":
        monkeypatch.setenv("MACCAP_PLAIN", "1")
    assert image_blocks(model.visual, 4 * ROWS) == list(model.visual.transformer.resblocks)


@pytest.mark.parametrize("changes", [{}, {"ls_init_value": 0.5}], ids=["as CLIP", "with layer scale"])
def test_the_written_out_block_gives_the_numbers_of_open_clips_own(changes):
    visual = built(True, **changes).visual
    x, mask = embed_patches(visual, images(2)), torch.full((ROWS, ROWS), -torch.inf).triu(1)
    for own in visual.transformer.resblocks:
        torch.testing.assert_close(Block(own)(x), own(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(Block(own)(x, mask), own(x, attn_mask=mask), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(Block(own).with_attention(x)[0], own(x), rtol=1e-5, atol=1e-5)
        _, attention = own.attn(own.ln_1(x), own.ln_1(x), own.ln_1(x), average_attn_weights=False)
        torch.testing.assert_close(Block(own).with_attention(x)[1], attention, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_maccap_plain_encodes_images_by_open_clips_own_blocks(monkeypatch):
    own, used = encoder(_ready), []
    for block in own.model.visual.transformer.resblocks:
        block.register_forward_hook(lambda block, *_: used.append(block))
    fast = encode_images(own, [0, 1])
    assert not used
    monkeypatch.setenv("MACCAP_PLAIN", "1")
    plain = encode_images(own, [0, 1])
    assert set(used) == set(own.model.visual.transformer.resblocks[:-1])
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def _ready(seed: int) -> torch.Tensor:
    return torch.randn(3, 24, 24, generator=torch.Generator().manual_seed(seed))


def _failing(image: int) -> torch.Tensor:
    raise OSError(f"image {image}")


def encoder(transform) -> Encoder:
    return Encoder(built(True), None, transform, {"embed_dim": 16})


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 8, 21])
def test_images_are_encoded_in_their_order_whatever_the_number_of_threads(threads, count):
    own = encoder(_ready)
    found = []
    for number in (1, 3):
        threads(number)
        found.append(encode_images(own, list(range(count))))
        assert torch.get_num_threads() == number
    for one, three in zip(*found, strict=True):
        torch.testing.assert_close(one, three, rtol=1e-5, atol=1e-6)
    expected = image_tokens_and_attention(own.model, torch.stack([_ready(seed) for seed in range(count)]))
    torch.testing.assert_close(found[0][1], expected[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0][2], expected[2], rtol=1e-4, atol=1e-5)


def test_an_image_that_fails_is_reported_and_threads_are_as_before(threads):
    threads(2)
    with pytest.raises(OSError, match="image 0"):
        encode_images(encoder(_failing), [0])
    assert torch.get_num_threads() == 2


def test_weights_are_packed_once(monkeypatch):
    packed = []
    real = fused_blocks.image_blocks
    monkeypatch.setattr("maccap.models.encoder.image_blocks", lambda *args: packed.append(args) or real(*args))
    own = encoder(_ready)
    for _ in range(2):
        encode_images(own, [1, 2])
    assert [rows for _, rows in packed] == [8 * ROWS]


HERE = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()
needs_both = pytest.mark.skipif(not HERE, reason="needs a torch with oneDNN and MKL (an x86-64 wheel from PyPI)")


@pytest.fixture
def asked(monkeypatch):
    """The products that oneDNN was asked for."""
    calls, real = [], matrix_products.linear_pointwise
    monkeypatch.setattr(matrix_products, "linear_pointwise", lambda: lambda *args: calls.append(args) or real()(*args))
    return calls


def tensors(*shapes, **options):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator).requires_grad_(options.get("grad", False)) for shape in shapes]


def require_torchs_own(asked, x, weight):
    with onednn():
        found = F.linear(x, weight)
    assert not asked
    assert torch.equal(found, F.linear(x, weight))


@needs_both
@pytest.mark.parametrize("shape", [(128, 256), (4, 32, 256), (2, 3, 64, 256)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_torch(asked, shape, bias):
    x, weight, own_bias = tensors(shape, (512, 256), (512,), grad=True)
    arguments = (x, weight, own_bias) if bias else (x, weight)
    exact = F.linear(*(part.double() for part in arguments))
    upstream = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1))
    expected = torch.autograd.grad(exact, arguments, upstream.double())
    with onednn():
        found = F.linear(*arguments)
        gradients = torch.autograd.grad(found, arguments, upstream)
    assert len(asked) == 3
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-4)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=1e-4, atol=1e-3)


@needs_both
def test_only_gradients_that_are_needed_are_computed(asked):
    layer = nn.Linear(256, 512).requires_grad_(False)
    (x,) = tensors((128, 256), grad=True)
    with onednn():
        layer(x).sum().backward()
    assert len(asked) == 2
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(128, -1), rtol=1e-4, atol=1e-4)


@needs_both
def test_inference_and_a_transposed_input(asked):
    x, weight = tensors((256, 128), (512, 256))
    with torch.inference_mode(), onednn():
        found = F.linear(x.t(), weight)
    assert len(asked) == 1
    torch.testing.assert_close(found, x.t() @ weight.t(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "dtype"), [(8, torch.float32), (128, torch.float64), (128, torch.bfloat16), (0, torch.float32)]
)
def test_small_products_and_other_dtypes_stay_with_torch(asked, rows, dtype):
    require_torchs_own(asked, *(part.to(dtype) for part in tensors((rows, 256), (512, 256))))


def test_autocast_keeps_its_dtype(asked):
    x, weight = tensors((128, 256), (512, 256))
    with onednn(), torch.autocast("cpu", torch.bfloat16):
        assert F.linear(x, weight).dtype == torch.bfloat16
    assert not asked


@pytest.mark.parametrize("change", ["no oneDNN", "MACCAP_PLAIN"])
def test_nothing_changes_without_onednn_or_with_maccap_plain(asked, monkeypatch, change):
    if change == "no oneDNN":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    else:
        monkeypatch.setenv("MACCAP_PLAIN", "1")
    require_torchs_own(asked, *tensors((128, 256), (512, 256)))


def test_it_ends_with_its_context(asked):
    x, weight = tensors((128, 256), (512, 256))
    with pytest.raises(ValueError, match="inside"), onednn():
        raise ValueError("inside")
    F.linear(x, weight)
    assert not asked


@pytest.mark.parametrize("name", ["linear_pointwise", "reorder_linear_weight"])
def test_a_torch_without_the_operator_is_named_with_the_version_that_has_it(name, monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    with pytest.raises(EnvironmentProblem, match=rf"torch .* has no torch\.ops\.mkldnn\._{name}.*MACCAP_PLAIN=1"):
        getattr(torch_private, name)()
