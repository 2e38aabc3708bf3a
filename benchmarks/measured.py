"""Time and memory of a piece of work in this process, and what machine it ran on."""

import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from maccap.core.allocation import cores


def measured(work: Callable[[], object], items: int) -> dict[str, float]:
    """Seconds per item, by the clock and of processors, and the peak memory of the whole process in bytes."""
    begun, busy = time.perf_counter(), time.process_time()
    work()
    seconds, processors = time.perf_counter() - begun, time.process_time() - busy
    return {"seconds": seconds / items, "processor": processors / items, "peak": peak_memory()}


def peak_memory() -> int:
    """Bytes; getrusage would count the memory of the process that started this one as well."""
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def in_process(script: Path | str, *arguments: str) -> dict[str, float]:
    """What a script prints last, JSON, run in a process of its own."""
    done = subprocess.run([sys.executable, str(script), *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> str:
    import torch
    import transformers

    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{platform.machine()}, {cores()} cores, {torch.get_num_threads()} threads; {versions}"
