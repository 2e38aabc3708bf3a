"""Training and captioning against the released code: seconds per item, and peak memory.

    python benchmarks/against_released.py PEER CAPTIONS [--rounds 3] [--captions 320] [--images 16] [--threads 2]

PEER is a checkout of Artanic30/MacCap, CAPTIONS an annotation file in COCO's format. CLIP ViT-B/32 and OPT-125m with
random weights, float32, on the CPU: the same weights, captions and images for both sides. Each measurement has a
process of its own; the sides take turns. See `released_side.py` and `maccap_side.py` for what is timed.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from full_size import coco_captions, write
from measured import in_process, machine
from tabulate import tabulate

from maccap.core.allocation import cores

HERE = Path(__file__).parent
WORKS = {  # what: (work of the released code, ours, each in a process of its own)
    "training, 16 captions a step, padding counted as released": ("train", ["train"]),
    "training, 16 captions a step, padding left out": ("train", ["train-masked"]),
    "captioning, 4 draws, 4 beams, 16 tokens, reranking, 8 images at once": ("caption", ["encode", "caption"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", type=Path)
    parser.add_argument("annotations", type=Path, metavar="CAPTIONS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--captions", type=int, default=320, help="trained on, each time (default: %(default)s)")
    parser.add_argument("--images", type=int, default=16, help="captioned, each time (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=cores())
    parsed = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), coco_captions(parsed.annotations))
        for what, (theirs, ours) in WORKS.items():
            rest = (str(parsed.threads), str(parsed.images if theirs == "caption" else parsed.captions))
            released = ("released_side.py", str(parsed.peer), folder, theirs, *rest)
            own = [("maccap_side.py", folder, work, *rest) for work in ours]
            rounds = [(in_processes([released]), in_processes(own)) for _ in range(parsed.rounds)]
            seconds = [statistics.median(pair[side]["seconds"] for pair in rounds) for side in (0, 1)]
            faster = [pair[0]["seconds"] / pair[1]["seconds"] for pair in rounds]
            busy = [pair[0]["processor"] / pair[1]["processor"] for pair in rounds]
            memory = [max(pair[side]["peak"] for pair in rounds) / 2**30 for side in (0, 1)]
            rows.append([what, *seconds, statistics.median(faster), min(faster), statistics.median(busy), *memory])
    head = [
        "work", "released (s per item)", "maccap (s per item)", "times faster", "at least", "in processor time",
        "released peak (GiB)", "maccap peak (GiB)",
    ]  # fmt: skip
    print(machine(), f"; {parsed.rounds} rounds\n")
    print(tabulate(rows, head, "github", floatfmt=("", ".3f", ".3f", ".2f", ".2f", ".2f", ".2f", ".2f")))


def in_processes(commands: list[tuple[str, ...]]) -> dict[str, float]:
    """What scripts that do a work together measure, one after the other: times add up, the highest peak counts."""
    each = [in_process(HERE / script, *arguments) for script, *arguments in commands]
    return {key: (max if key == "peak" else sum)(part[key] for part in each) for key in each[0]}


if __name__ == "__main__":
    main()
