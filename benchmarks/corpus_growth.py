"""Memory of training against the size of the corpus: synthetic captions with random features, 1,000 to 3 million.

    python benchmarks/corpus_growth.py [--folder DIR] [--steps 200]

Each size runs in a process of its own: a caption table and float16 features of 512 dimensions in shards of 200,000 are
written, then a MacCap adaptor trains in front of a small OPT. Reported: anonymous memory (RssAnon, what the process
itself holds; mapped files do not count) when the data are open and after the last step, time to open, and speed.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from measured import in_process

SIZES = (1_000, 10_000, 100_000, 1_000_000, 3_000_000)
SHARD, DIM = 200_000, 512


def anonymous_megabytes() -> float:
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def write_corpus(folder: Path, count: int) -> tuple[list[Path], Path]:
    import torch

    from maccap.data.captions import Caption, write_captions
    from maccap.data.features import write_store

    table = folder / "captions.train.jsonl"
    nouns = ("boat", "dog", "house", "street", "child", "kite", "plate", "train")
    rows = (
        Caption(i, "", "train", i, f"A {nouns[i % 8]} and {i % 97} more things near the {nouns[i // 8 % 8]}.")
        for i in range(count)
    )
    write_captions(table, rows)
    starts = range(0, count, SHARD)
    paths = [folder / f"captions.train.{n}-of-{len(starts)}.safetensors" for n in range(1, len(starts) + 1)]
    for path, start in zip(paths, starts):
        ids = list(range(start, min(start + SHARD, count)))
        write_store(path, {"features": torch.randn(len(ids), DIM)}, ids, "float16")
    return paths, table


def train(folder: Path, count: int, steps: int) -> dict[str, float]:
    """One size, in this process."""
    import torch

    from maccap.data.text_corpus import TextSet
    from maccap.methods.registry import load_method
    from maccap.training.trainer import Trainer

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.tiny import TRAINING, tiny_lm

    torch.set_num_threads(1)
    start = time.perf_counter()
    shards = sorted(folder.glob("*.safetensors"), key=lambda path: int(path.name.split(".")[2].split("-")[0]))
    data = TextSet.read(shards, folder / "captions.train.jsonl")
    opened = time.perf_counter() - start
    epochs = max(1, -(-steps * 32 // count))
    seldom = {"validate_every": 10**9, "checkpoint_every": 10**9}
    settings = TRAINING.model_copy(update={"batch_size": 32, "epochs": epochs, "copies": 10} | seldom)
    trainer = Trainer(
        load_method("maccap", settings), tiny_lm(), data, data, settings, 0, folder / "run", {"trained": "", "run": ""}
    )
    open_memory, start = anonymous_megabytes(), time.perf_counter()
    for _ in range(steps):
        trainer.one_step()
        trainer.step += 1
    seconds = time.perf_counter() - start
    return {
        "captions": count, "open_seconds": opened, "open_megabytes": open_memory,
        "trained_megabytes": anonymous_megabytes(), "steps_per_second": steps / seconds,
    }  # fmt: skip


def in_own_process(count: int, folder: Path, steps: int) -> dict[str, float]:
    """Write a corpus of so many captions below `folder`, train on it, remove it."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        write_corpus(place, count)
        return in_process(__file__, "--folder", str(place), "--size", str(count), "--steps", str(steps))
    finally:
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="needs 4 GB")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, help="run one size in this process")
    arguments = parser.parse_args()
    if arguments.size:
        print(json.dumps(train(arguments.folder, arguments.size, arguments.steps)))
        return
    print("| captions | open (s) | anonymous memory, open (MB) | after training (MB) | steps per second |")
    print("|--:|--:|--:|--:|--:|")
    for size in SIZES:
        row = in_own_process(size, arguments.folder, arguments.steps)
        print(
            f"| {size:,} | {row['open_seconds']:.1f} | {row['open_megabytes']:.0f} | "
            f"{row['trained_megabytes']:.0f} | {row['steps_per_second']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
