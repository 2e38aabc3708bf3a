"""A lock on a file that dies with its owner, so that two jobs never write the same files."""

import ctypes
import errno
import fcntl
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .allocation import slurm_job
from .errors import FULL, EnvironmentProblem

PR_SET_PDEATHSIG = 1  # of Linux
POLL_SECONDS = 0.02
UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP)  # of a file system that knows no locks
ENDED = "a job that has ended"
LEFT_AFTER = 90.0  # seconds: by then every node sees whether a file with that mark was removed

_held: dict[int, tuple[int, Path]] = {}  # by the descriptor of a locked file: the thread that holds it, and its path


def locked(handle: int) -> bool:
    """Lock an open file as long as this process lives, `exec` included; or close it, where another process holds it.

    The kernel drops the lock whatever way the process ends.

    Raises:
        OSError: the file system knows no locks.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    os.set_inheritable(handle, True)
    return True


def beside(folder: Path, kind: str) -> Path:
    """A run's `state.pt`, from which training resumes, or its `lock`: not in its folder, which DVC removes first."""
    return folder.with_name(f"{folder.name}.{kind}")


@contextmanager
def held(path: Path | str, patience: float = math.inf) -> Iterator[None]:
    """Hold a lock on a file that exists only meanwhile; an `exec` of this process lets it go.

    The kernel frees it however the process ends. Over NFS all clients see it, and a server of NFS 4 frees that of a
    node that died, or does not reach it, after a lease of 90 seconds or so: `still_held` says whether it has. Where the
    file system knows no locks, a warning is all there is.

    A file is marked as ended before it is removed: over NFS, a node may open the removed file for some seconds more.
    One that keeps the mark was left by an owner that was killed between the two, and is taken over.

    Args:
        patience: seconds to wait for another owner.

    Raises:
        EnvironmentProblem: another process still holds it, and the message says which; or the system has no lock now.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline, told, owner, ended = time.monotonic() + patience, False, "another process", math.inf
    while (handle := _try(path, marked=time.monotonic() - ended > LEFT_AFTER)) is None:
        with suppress(OSError):
            owner = path.read_text(encoding="utf-8").strip() or "another process"
        ended = min(ended, time.monotonic()) if owner == ENDED else math.inf
        if time.monotonic() > deadline:
            working = f"{owner} works on the same run; wait for it, or end it"
            how = f"left by {ENDED}; delete it" if owner == ENDED else working
            raise EnvironmentProblem(f"{path}: {how}, and run again")
        if not told and owner != ENDED:
            print(f"{path}: waits for {owner}, which holds it", file=sys.stderr, flush=True)
            told = True
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        _held.pop(handle, None)
        if _has(handle) and _names(path, handle):
            remove(path)
        os.close(handle)


def still_held() -> None:
    """Ask the file system again for all that this thread holds, before something is written that nobody else may.

    Raises:
        EnvironmentProblem: a lock was lost, as over NFS when the server is out of reach for longer than its lease; its
            file was removed, or has been another owner's meanwhile.
    """
    own, thread = name_of(os.getpid()).encode(), threading.get_ident()
    for handle, (holder, path) in [*_held.items()]:
        if holder == thread and not (
            _has(handle) and _names(path, handle) and os.pread(handle, len(own) + 1, 0) in (own, b"")
        ):
            raise EnvironmentProblem(
                f"{path}: the lock was lost while the file system's server was out of reach, or its file was removed, "
                "and another job may have it; run again"
            )


def _has(handle: int) -> bool:
    """Whether an open file is locked by this process; without locks, whether it was the one that signed it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        own = name_of(os.getpid()).encode()
        return error.errno in UNSUPPORTED and os.pread(handle, len(own) + 1, 0) == own
    return True


def _names(path: Path, handle: int) -> bool:
    """Whether a path still leads to an open file, which nobody has removed or replaced."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def end_with_parent(parent: int) -> None:
    """End this process when its parent, whose number it knows, ends, whatever way (Linux), or has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def remove(path: Path) -> None:
    """Remove the file of a lock that is held; who waits for it makes a new one."""
    with suppress(OSError):
        path.write_text(ENDED, encoding="utf-8")
    path.unlink(missing_ok=True)


def name_of(process: int) -> str:
    """What the file of a lock says of its owner, a process of this machine."""
    job = f"Slurm job {slurm_job()['job']}, " if slurm_job() else ""
    return f"{job}process {process} on {socket.gethostname()}\n"


def _try(path: Path, *, marked: bool) -> int | None:
    """The descriptor of the locked file, which names its owner if the disk has room; None while another holds it.

    Args:
        marked: whether a file with the mark of the end is taken, too.
    """
    handle = None
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not locked(handle):
            return None
        os.set_inheritable(handle, False)
        ended = os.pread(handle, len(ENDED), 0) == ENDED.encode()
        if not os.fstat(handle).st_nlink or (ended and not (marked and _names(path, handle))):
            os.close(handle)
            return None
        _sign(handle)
        _held[handle] = threading.get_ident(), path
    except OSError as error:
        if handle is not None and error.errno in UNSUPPORTED:
            print(f"{path}: no locks here ({error.strerror}); never run this job twice at a time", file=sys.stderr)
            if not os.pread(handle, 1, 0):
                _sign(handle)
            return handle
        if handle is not None:
            os.close(handle)
        if error.errno == errno.ESTALE:  # another node has removed it
            return None
        if error.errno == errno.ENOLCK:
            remedy = "over NFS 3, see that rpc.statd runs, or link the folder to another disk; then run again"
            raise EnvironmentProblem(f"{path}: this machine has no lock for it now; {remedy}") from error
        error.filename = error.filename or str(path)
        raise
    return handle


def _sign(handle: int) -> None:
    os.ftruncate(handle, 0)
    try:
        os.write(handle, name_of(os.getpid()).encode())
        os.fsync(handle)  # so that other nodes can read it
    except OSError as error:
        if error.errno not in FULL:
            raise
