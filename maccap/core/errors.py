"""The errors that a user can meet. Each message names the thing at fault, what is wrong and what to do."""

import errno
import tempfile
from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
REMEDIES = {
    errno.ENOENT: "check the path; if it is a program, install it",
    **dict.fromkeys(READ_ONLY, "allow it there, or choose another place, and run again"),
    errno.EFBIG: "allow larger files (`ulimit -f`, or the disk's own limit), and run again",
    errno.EMFILE: "allow more open files (`ulimit -n`), and run again",
    **dict.fromkeys((errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG), "choose another path"),
}


class MaccapError(Exception):
    """Base of all errors that the command line prints without a traceback."""


class ConfigError(MaccapError):
    """The configuration asks for something that does not exist or does not fit together."""


class DataError(MaccapError):
    """An input file is missing, damaged or inconsistent."""


class EncoderError(MaccapError):
    """An encoder or an adaptor cannot do what the method needs, or their sizes differ."""


class EnvironmentProblem(MaccapError):
    """The machine lacks something: Java, disk space, a library."""


def out_of_memory(error: BaseException) -> bool:
    """Whether it is an error of Python, torch or the loader of libraries, on a CPU or a GPU, that says so."""
    told = ("out of memory", "can't allocate memory", "failed to map segment", "cannot allocate memory")
    return isinstance(error, MemoryError) or any(words in str(error) for words in told)


def first_fault(error: Any) -> str:
    """Where pydantic's first error is, and what it is."""
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'as a whole'}: {fault['msg']}"


def flat(text: object) -> str:
    """A library's message as one line."""
    return " ".join(str(text).split())


def refusal(error: OSError | UnicodeError) -> str:
    """What the system refused, in one line; a full disk does not say which file, so the temporary folder is named."""
    if isinstance(error, UnicodeError):
        return f"a name or text cannot be written ({error}); rename the file, or correct its text to UTF-8"
    fault = flat(error.strerror or error)
    if error.errno in FULL:
        place = error.filename or f"where the output goes, or the folder of temporary files ({tempfile.gettempdir()})"
        return f"{place}: {fault}; free space there, or set TMPDIR to a larger folder, and run again"
    place = f"{name}: " if (name := error.filename2 or error.filename) else ""
    return f"{place}{fault}; {REMEDIES.get(error.errno or 0, 'correct it and run again')}"
