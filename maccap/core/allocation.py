"""What a job was given of the machine: its processor cores, and the scheduler's job if there is one."""

import math
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "SGE_TASK_ID")  # variables that hold a job's number
CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@cache
def cores() -> int:
    """Cores that this process may use: those that it is bound to, or fewer where a cgroup limits its share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(math.ceil(quota) for quota in _quotas())]))


def _quotas() -> list[float]:
    """Cores by the limits of this process's cgroup and all above it, of version 2 or 1."""
    found = []
    with suppress(OSError):
        for line in OWN.read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            root = CGROUPS / "cpu" if controllers else CGROUPS
            folder = root / own.lstrip("/")
            for level in (folder, *folder.parents):
                with suppress(OSError, ValueError):
                    if controllers:
                        limit, period = ((level / f"cpu.cfs_{kind}_us").read_text() for kind in ("quota", "period"))
                    else:
                        limit, period = (level / "cpu.max").read_text().split()
                    if float(limit) > 0:
                        found.append(float(limit) / float(period))
                if level == root:
                    break
    return found


def scheduled() -> bool:
    """Whether a cluster's scheduler started this process."""
    return any(name in os.environ for name in SCHEDULERS)


def slurm_job() -> dict[str, str]:
    """Number and partition of the Slurm job that this process belongs to; empty outside of Slurm."""
    names = {"job": "SLURM_JOB_ID", "partition": "SLURM_JOB_PARTITION"}
    if "SLURM_JOB_ID" not in os.environ:
        return {}
    return {name: os.environ[variable] for name, variable in names.items() if variable in os.environ}
