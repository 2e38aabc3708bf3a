"""Where frozen models and training run: the device, its precision, and GPUs that parallel jobs do not share."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.allocation import scheduled
from ..core.errors import EnvironmentProblem
from ..core.holding import locked

if TYPE_CHECKING:
    import torch

NO_GPU = "did the partition give one, and is torch built for its driver? `maccap doctor` in a job tells"


def pick_device(gpus: int) -> torch.device:
    """The CPU for `gpus` 0; else this process's GPU, or the CPU with a warning where there is none.

    Under `accelerate launch` that is the GPU numbered LOCAL_RANK, which accelerate chooses as well.
    """
    import torch

    if gpus and torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if gpus and scheduled():
        raise EnvironmentProblem(
            f"gpus is {gpus} but this job sees no usable GPU ({NO_GPU}); set `gpus: 0` to compute on CPUs"
        )
    if gpus:
        print(f"gpus is {gpus} but no GPU is usable here: computing on the CPU", file=sys.stderr)
    return torch.device("cpu")


def mixed_precision(device: torch.device, wanted: str) -> str:
    """accelerate's name of the precision; `auto` is bf16 or else fp16 on a GPU, and `no` on the CPU, as is fp16."""
    import torch

    if device.type == "cpu":
        return "bf16" if wanted == "bf16" else "no"
    if wanted != "auto":
        return wanted
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def frozen_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The dtype that frozen weights are kept in, for the precision that `mixed_precision` decides on."""
    import torch

    dtypes = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return dtypes[mixed_precision(device, precision)]


def claim_gpus(count: int) -> None:
    """Reserve GPUs for this process and show it no others; to be called before CUDA is first used.

    Each GPU is a locked file in the temporary folder. The lock lasts as long as the process, `exec` included, and
    the kernel drops it whatever way the process ends. While too few GPUs are free, this waits. Where a scheduler or
    the user has set CUDA_VISIBLE_DEVICES, that choice stands. With `count` 0 no GPU is shown at all; on a machine
    without any, nothing happens.

    Raises:
        EnvironmentProblem: there are GPUs, but fewer than `count`.
    """
    if count == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = query_gpus("uuid") if chosen is None else [gpu for gpu in chosen.split(",") if gpu]
    if 0 < len(gpus) < count:
        raise EnvironmentProblem(f"`gpus` is {count} but this job can see {len(gpus)}: lower `gpus` in the config")
    if chosen is not None or not gpus:
        return
    told = False
    while len(mine := _lock_some(gpus, count)) < count:
        if not told:
            print(f"waiting for {count} of {len(gpus)} GPUs to become free", file=sys.stderr, flush=True)
            told = True
        time.sleep(random.uniform(0.5, 1.5))
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(mine)


def query_gpus(fields: str) -> list[str]:
    """One line for each NVIDIA GPU with the fields, separated by commas, that `nvidia-smi --query-gpu` knows."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return found.strip().splitlines()


def _lock_some(gpus: list[str], count: int) -> list[str]:
    """Lock `count` free GPUs and name them; with fewer free ones, lock none, so that waiting jobs hold nothing."""
    mine = {}
    for gpu in gpus:
        path = Path(tempfile.gettempdir()) / f"maccap-{gpu}.lock"
        # Reading suffices for a lock, so other users' files serve as well.
        handle = os.open(path, os.O_RDONLY if path.exists() else os.O_RDONLY | os.O_CREAT, 0o644)
        if locked(handle):
            mine[gpu] = handle
        if len(mine) == count:
            return list(mine)
    for handle in mine.values():
        os.close(handle)
    return []
