"""The recipe of the embedded world's two frozen models: a CLIP (open_clip) and an OPT (transformers).

Both learn from `pretrain` scenes only, which no other split can contain. The results ship with the
package; the rules `pretrain_clip` and `pretrain_lm` make them again.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..core.progress import progress
from ..models.clip_features import embed_patches, encode_text
from .drawing import draw
from .scenes import (
    COLOURS,
    EXCHANGES,
    GROUNDS,
    LOOKS,
    NOUNS,
    NUMBERS,
    ON_GROUND,
    Scene,
    caption_and_exchanged,
    document,
    draw_scene,
    scenes,
)  # fmt: skip


def byte_level_bpe(texts: Iterator[str], vocab_size: int, *, lower: bool) -> Tokenizer:
    """Byte-level BPE with OPT's special ids 0-3; in lower case, with a space before each text, as CLIP's is."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    if lower:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=lower)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def opt_tokenizer(texts: Iterator[str], vocab_size: int) -> Any:
    """A tokenizer that puts `</s>` before each text as OPT's does."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = byte_level_bpe(texts, vocab_size, lower=False)
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


# The encoder learns two domains; the language model reads the third, too, as it must be able to say all captions.
ENCODED, READ = sorted(GROUNDS), sorted(LOOKS)


def documents(seed: int, domains: Sequence[str] = READ) -> Iterator[list[str]]:
    """Endless documents about random `pretrain` scenes of some domains in turn."""
    rng = np.random.default_rng(seed)
    while True:
        for domain in domains:
            if (scene := draw_scene(domain, rng)).split == "pretrain":
                yield document(scene, rng)


def sample_texts(seed: int, count: int, domains: Sequence[str] = READ) -> Iterator[str]:
    stream = documents(seed, domains)
    for _ in range(count):
        yield " ".join(next(stream))


def batches_of_rows(seed: int, tokenizer: Any, size: int) -> Iterator[list[tuple[list[int], list[int]]]]:
    """Endless batches of documents of about equal length, so that little of a batch is padding.

    Each is the token ids of its first text and those of the texts after it, `</s>` before each text and at the end.
    """
    stream, rng = documents(seed), np.random.default_rng(seed)
    while True:
        rows = []
        for _ in range(16 * size):
            first, *others = next(stream)
            rows.append((tokenizer(first).input_ids, tokenizer("</s>".join(others) + "</s>").input_ids))
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        for i in rng.permutation(16):
            yield rows[i * size : (i + 1) * size]


LONGEST = 16  # soft tokens, at most, in which a text is told before it is said
WORDS = 0.7  # of the steps, the first ones: soft tokens are made of embeddings alone, which is easier to learn
AGAIN = 0.6  # how often a text that was told is said again; else the texts after it follow
LOUD = 2  # deviation of soft tokens, in that of the embeddings


def shortened(known: torch.Tensor, lengths: Sequence[int], count: int, rng: np.random.Generator) -> torch.Tensor:
    """Each text as soft tokens, float32 [B, count, d], scaled together to a standard deviation of 1.

    Its tokens are cut into `count` runs and summed. The sums are mixed at random, so that order is lost and a run may
    be missing, and get noise of at most 0.3 of their deviation. The soft tokens of an adaptor, too, say something of
    several words each. Draws from `rng` and from torch's global generator.

    Args:
        known: embeddings or last hidden states of its tokens, [B, L, d].
        lengths: how many of the L are of the text.
    """
    runs = torch.zeros(len(known), count, known.shape[1])
    for row, length in enumerate(lengths):
        cuts = [0, *sorted(rng.integers(0, length + 1, count - 1).tolist()), length]
        for run, (begin, end) in enumerate(pairwise(cuts)):
            runs[row, run, begin:end] = 1 / math.sqrt(max(1, end - begin))
    sharpness = 6 * rng.random()
    mixed = F.normalize(torch.softmax(sharpness * torch.randn(len(known), count, count), dim=-1), dim=-1) @ runs
    soft = mixed @ known
    soft = soft + 0.3 * rng.random() * soft.detach().std() * torch.randn(soft.shape)
    return soft / soft.detach().std()


def loss_behind(model: Any, soft: torch.Tensor, embedded: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of an OPT's texts behind soft tokens; the last of these predicts a text's first token.

    Args:
        soft: [B, n, d]; n may be 0.
        embedded: embeddings of the ids, [B, L, d].
        ids: token ids [B, L], padded with 1 on the right.
    """
    there, told = ids != 1, soft.shape[1]
    labels = F.pad(ids.masked_fill(~there, -100), (told, 0), value=-100)
    everything = torch.cat([soft, embedded], dim=1)
    return model(inputs_embeds=everything, attention_mask=F.pad(there, (told, 0), value=True), labels=labels).loss


def _optimise(
    model: torch.nn.Module, loss_of_step: Callable[[int], torch.Tensor], steps: int, learning_rate: float, name: str
) -> None:
    """AdamW with linear warm-up over a twentieth of the steps, then cosine to zero."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    warmup = max(1, steps // 20)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    model.train()
    for step in progress(range(steps), name, steps):
        # In bfloat16 on a CPU, the fused attention's backward pass takes three times as long as the plain one's.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            loss = loss_of_step(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()


def pretrain_lm(out: Path, settings: dict[str, Any], seed: int) -> None:
    """Train the OPT; write it as a transformers folder.

    It reads documents whose texts are each preceded by `</s>`; every other step, the first text is told `shortened`
    before it is said, or in its place.
    """
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(seed)
    tokenizer = opt_tokenizer(sample_texts(seed, 4000), settings["vocab_size"])
    config = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=settings["width"], word_embed_proj_dim=settings["width"],
        ffn_dim=4 * settings["width"], num_hidden_layers=settings["layers"], num_attention_heads=settings["heads"],
        max_position_embeddings=settings["context"], dropout=0.0, attention_dropout=0.0,
        bos_token_id=2, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    model = OPTForCausalLM(config)
    stream, rng = batches_of_rows(seed + 1, tokenizer, settings["batch_size"]), np.random.default_rng(seed)
    embed = model.get_input_embeddings()

    def padded(rows: list[list[int]], room: int) -> torch.Tensor:
        length = min(max(map(len, rows)), room)
        return torch.tensor([(row + [1] * length)[:length] for row in rows])

    def loss_of_step(step: int) -> torch.Tensor:
        batch = next(stream)
        told = int(rng.integers(1, LONGEST + 1)) if step % 2 else 0
        ids = padded(
            [first + others if not told or rng.random() < AGAIN else others for first, others in batch],
            settings["context"] - told,
        )
        embedded = embed(ids)
        if not told:
            return loss_behind(model, embedded[:, :0], embedded, ids)
        first = padded([first for first, _ in batch], settings["context"])
        if step < WORDS * settings["steps"]:
            known = embed(first)
        else:
            known = model.model(input_ids=first, attention_mask=first != 1).last_hidden_state
        soft = shortened(known[:, 1:].float(), [len(first) - 1 for first, _ in batch], told, rng)
        return loss_behind(model, soft * LOUD * embed.weight.detach().std(), embedded, ids)

    _optimise(model, loss_of_step, settings["steps"], settings["learning_rate"], "pretrain_lm")
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)


def clip_tokenizer(texts: Iterator[str], vocab_size: int) -> Any:
    """A tokenizer with CLIP's marks around each text; the end mark has the highest id."""
    from transformers import PreTrainedTokenizerFast

    begin, end = "<start_of_text>", "<end_of_text>"
    tokenizer = byte_level_bpe(texts, vocab_size - 2, lower=True)
    tokenizer.add_special_tokens([begin, end])
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (begin, end)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{begin} $A {end}", special_tokens=marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=begin, eos_token=end, pad_token="<pad>", unk_token="<unk>"
    )


def draw_all(found: Sequence[tuple[Scene, np.random.Generator]], side: int) -> torch.Tensor:
    """The scenes' images as the encoder sees them, uint8 [N, 3, side, side]."""
    drawn = torch.empty((len(found), 3, side, side), dtype=torch.uint8)
    for i, (scene, rng) in enumerate(progress(found, "drawing", len(found))):
        small = draw(scene, rng).resize((side, side), Image.Resampling.BICUBIC)
        drawn[i] = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)
    return drawn


def whiten_patches(visual: Any, images: torch.Tensor) -> None:
    """Let the image tower begin by reading the principal components of its patches, each with variance 1.

    Args:
        images: float [N, 3, H, W], normalised. Colour makes up nearly all the variance of a patch and outlines little
            of it, so that from a random start shapes go unnoticed for long (whitening as in arXiv 2404.00498).
    """
    kernel = visual.conv1.weight
    side, width = kernel.shape[-1], len(kernel)
    patches = images.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    with torch.no_grad():
        kernel.copy_((vectors[:, -width:] / (values[-width:] + 1e-4).sqrt()).T.reshape(kernel.shape))


def place_patches(visual: Any) -> None:
    """Let the patches' learnt positions begin as sines and cosines of their row and column (arXiv 2205.01580)."""
    table = visual.positional_embedding
    side, quarter = math.isqrt(len(table) - 1), table.shape[1] // 4
    angles = torch.arange(side)[:, None] / 100.0 ** (torch.arange(quarter) / quarter)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    down, across = waves[:, None].expand(-1, side, -1), waves[None].expand(side, -1, -1)
    with torch.no_grad():
        table[1:] = torch.cat([down, across], dim=2).flatten(0, 1)


NAMED = {"noun": len(NOUNS), "colour": len(COLOURS), "count": len(NUMBERS), "size": 2}
WEIGHTS = (1.0, 0.2, 0.2, 0.2)  # of their losses in places: shapes are what is hard to learn
NAMED_WITH = NAMED | {"noun": 1}  # how many words of a kind a noun can be named with
OF_FEATURE = (1.0, 3.0, 1.0, 1.0)  # weights of their losses in features: a colour, one of eight, is hardest to bind
ON = [(domain, ground) for domain in ENCODED for ground in GROUNDS[domain]]


def labels_of(scene: Scene) -> np.ndarray:
    """What stands in each of the six places, int [6, 4]: noun, colour, count and size by number; -100 is nothing."""
    labels = np.full((6, len(NAMED)), -100, dtype=np.int64)
    for g in scene.groups:
        labels[3 * g.row + g.column] = (
            NOUNS.index(g.noun), COLOURS.index(g.colour), g.count - 1, int(g.size == "large"),
        )  # fmt: skip
    return labels


def labels_told(of: Sequence[Scene], captions: Sequence[str]) -> torch.Tensor:
    """`labels_of` each scene, int [B, 6, 4], without groups of which its caption does not speak.

    Of the others it has the size, too, which captions say of three single things in five.
    """
    labels = np.stack([labels_of(scene) for scene in of])
    for row, (scene, caption) in enumerate(zip(of, captions, strict=True)):
        words = set(caption.lower().replace(",", "").rstrip(".").split())
        for group in scene.groups:
            if group.name not in words:
                labels[row, 3 * group.row + group.column] = -100
    return torch.from_numpy(labels)


def grounds_of(of: Sequence[Scene], captions: Sequence[str] | None = None) -> torch.Tensor:
    """The number of each scene's ground, int [B]; -100 where its caption does not tell it."""
    said = [ON_GROUND[scene.domain][scene.ground] for scene in of]
    pairs = zip(of, said, captions or said, strict=True)
    return torch.tensor([ON.index((scene.domain, scene.ground)) if on in text else -100 for scene, on, text in pairs])


class Naming(torch.nn.Module):
    """Names what stands in each place, by the mean of the patches there, and what a feature speaks of.

    It teaches the image tower to see shapes, as labels of single things taught the towers of old, and both towers the
    same names; it is not kept. Patches are read before the last block, so that the class token can gather from them.
    """

    def __init__(self, width: int, grid: int, dim: int) -> None:
        super().__init__()
        outputs = sum(NAMED.values())
        self.norm = torch.nn.LayerNorm(width)
        self.of_feature = torch.nn.Linear(dim, len(NOUNS) * sum(NAMED_WITH.values()))
        self.of_ground = torch.nn.Linear(dim, len(ON))
        self.of_place = torch.nn.Linear(width, outputs)
        at = (torch.arange(grid) + 0.5) / grid
        place = (3 * (at * 2).long()[:, None] + (at * 3).long()[None]).flatten()
        within = F.one_hot(place, 6).T.float()
        self.register_buffer("mean", within / within.sum(1, keepdim=True))

    def of_places(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of naming noun, colour, count and size in each place where there is something.

        Args:
            tokens: before the last block, [B, 1 + patches, width].
            labels: int [B, 6, 4], see `labels_of`.
        """
        logits = self.of_place(self.mean @ self.norm(tokens[:, 1:])).float()
        parts = logits.split(list(NAMED.values()), dim=-1)
        losses = [
            weight * F.cross_entropy(part.flatten(0, 1), labels[..., kind].flatten())
            for kind, (part, weight) in enumerate(zip(parts, WEIGHTS, strict=True))
        ]
        return torch.stack(losses).sum()

    def of_all(self, features: torch.Tensor, labels: torch.Tensor, grounds: torch.Tensor) -> torch.Tensor:
        """Loss of naming the ground and all nouns, alone and with colour, count and size, in features.

        Args:
            features: L2-normalised, of images or texts, [B, d].
            labels: int [B, 6, 4], see `labels_of`.
            grounds: int [B], see `grounds_of`.
        """
        logits = self.of_feature(10 * features).split([len(NOUNS) * n for n in NAMED_WITH.values()], dim=-1)
        noun, *others = labels.unbind(-1)
        named = [noun, *(noun * n + other for n, other in zip(list(NAMED_WITH.values())[1:], others, strict=True))]
        losses = [w * held(of, label) for w, of, label in zip(OF_FEATURE, logits, named, strict=True)]
        ground = F.cross_entropy(self.of_ground(10 * features), grounds, reduction="sum")
        return torch.stack(losses).sum() + ground / len(grounds)


def held(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits [B, n] with each of the things that there are, labels [B, 6]; below 0 is none."""
    there = labels >= 0
    found = logits.log_softmax(-1).gather(1, labels.clamp(min=0))
    return -(found * there).sum() / there.sum()


def contrast(images: torch.Tensor, texts: torch.Tensor, spoken: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """CLIP's loss with further texts for each image, which say the same with something exchanged.

    Args:
        images: L2-normalised, [B, d].
        texts: L2-normalised, [B, 1 + n, d]: each image's caption, then its exchanged ones.
        spoken: bool [B, 1 + n]: which texts there are.
    """
    rows = torch.arange(len(images))
    everything = scale * images @ texts.flatten(0, 1).T
    everything = everything.masked_fill(~spoken.flatten(), -torch.inf)
    own = (scale * torch.einsum("bd,bnd->bn", images, texts)).masked_fill(~spoken, -torch.inf)
    back = scale * texts[:, 0] @ images.T
    return (
        F.cross_entropy(everything, rows * texts.shape[1])
        + F.cross_entropy(back, rows)
        + F.cross_entropy(own, torch.zeros_like(rows))
    ) / 3


def pretrain_clip(out: Path, settings: dict[str, Any], seed: int) -> None:
    """Train the CLIP; write it as an open_clip folder.

    In the first `naming_steps` its image tower learns to name what stands where. Then it learns to tell each image's
    caption from others and from the same caption with something exchanged; every caption is a fresh one. Beside that,
    places are still named, and both towers' features are asked for the ground and all things. The temperature stays.
    """
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = clip_tokenizer(sample_texts(seed, 4000, ENCODED), settings["vocab_size"])
    tokenizer.save_pretrained(out)
    side, width = settings["image_size"], settings["width"]
    model_cfg = {
        "embed_dim": settings["embed_dim"],
        "vision_cfg": {
            "image_size": side, "patch_size": settings["patch_size"],
            "width": width, "layers": settings["vision_layers"], "head_width": 32,
        },
        "text_cfg": {
            "context_length": settings["context"], "vocab_size": len(tokenizer), "width": width,
            "heads": width // 32, "layers": settings["text_layers"], "hf_tokenizer_name": ".",
        },
    }  # fmt: skip
    half = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    card = {"model_cfg": model_cfg, "preprocess_cfg": half}
    (out / "open_clip_config.json").write_text(json.dumps(card, indent=2) + "\n")
    model = open_clip.create_model(f"local-dir:{out}", load_weights=False)  # those of an earlier run may lie there
    model.logit_scale.requires_grad_(False)  # 1 / 0.07; learnt, it grows, and captions may lie nearer to each other
    naming = Naming(width, side // settings["patch_size"], settings["embed_dim"])

    pairs = [pair for d in ENCODED for pair in scenes(d, "pretrain", settings["scenes_per_domain"], seed)]
    drawn = draw_all(pairs, side)
    whiten_patches(model.visual, drawn[:: max(1, len(drawn) // 500)].float() / 127.5 - 1)
    place_patches(model.visual)
    labels = torch.from_numpy(np.stack([labels_of(scene) for scene, _ in pairs]))
    rng = np.random.default_rng(seed)
    order = np.empty(0, dtype=int)

    def loss_of_step(step: int) -> torch.Tensor:
        nonlocal order
        if len(order) < settings["batch_size"]:
            order = rng.permutation(len(pairs))
        rows, order = order[: settings["batch_size"]], order[settings["batch_size"] :]
        moved = shifted(drawn[rows].float() / 127.5 - 1, rng)
        *before, last = model.visual.transformer.resblocks
        tokens = embed_patches(model.visual, moved)
        for block in before:
            tokens = block(tokens)
        named = naming.of_places(tokens, labels[rows])
        if step < settings["naming_steps"]:
            return named
        image_features = F.normalize((model.visual.ln_post(last(tokens)[:, 0]) @ model.visual.proj).float(), dim=-1)
        of = [pairs[i][0] for i in rows]
        texts, spoken = captions_and_exchanged(of, rng)
        ids = tokenizer(texts, padding=True, return_tensors="pt").input_ids
        text_features = F.normalize(encode_text(model, ids).float(), dim=-1).unflatten(0, spoken.shape)
        own = texts[:: spoken.shape[1]]
        with torch.autocast("cpu", enabled=False):
            named = named + naming.of_all(image_features, labels[rows], grounds_of(of))
            named = named + naming.of_all(text_features[:, 0], labels_told(of, own), grounds_of(of, own))
            return contrast(image_features, text_features, spoken, model.logit_scale.exp()) + named

    both = torch.nn.ModuleList([model, naming])
    _optimise(both, loss_of_step, settings["steps"], settings["learning_rate"], "pretrain_clip")
    save_file({k: v.half().contiguous() for k, v in model.state_dict().items()}, out / "open_clip_model.safetensors")


def shifted(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The images moved by up to three pixels, all in the same way, so that shapes are not learnt at fixed pixels."""
    across, down = rng.integers(0, 7, 2).tolist()
    side = images.shape[-1]
    return F.pad(images, (3, 3, 3, 3), mode="reflect")[..., down : down + side, across : across + side]


EXCHANGED = ("noun", "colour")  # and two of the others, by chance


def captions_and_exchanged(of: Sequence[Scene], rng: np.random.Generator) -> tuple[list[str], torch.Tensor]:
    """For each scene a fresh caption and the same with words exchanged, in a row, and which there are, bool [B, 5]."""
    further = [kind for kind in EXCHANGES if kind not in EXCHANGED]
    texts: list[str] = []
    spoken: list[list[bool]] = []
    for scene in of:
        kinds = rng.choice(further, 2, replace=False).tolist()
        text, others = caption_and_exchanged(scene, rng, (*EXCHANGED, *kinds))
        texts += [text, *(said or text for said in others)]
        spoken.append([True, *(said is not None for said in others)])
    return texts, torch.tensor(spoken)
