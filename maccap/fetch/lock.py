"""Trust on first use: `assets.lock.json` keeps what the first download of an unpinned asset was, for all later ones."""

from pathlib import Path
from typing import Any

from ..core.artifacts import read_json, write_json
from ..core.errors import DataError
from ..core.holding import held


class AssetLock:
    """The lock file. A file has `{"sha256"}`, a model `{"hub", "commit", "patterns", "files": {name: sha256}}`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def entry(self, name: str) -> dict[str, Any]:
        """What is recorded of an asset; empty before its first download.

        Raises:
            DataError: the lock file is damaged.
        """
        return self._read().get(name, {})

    def record(self, name: str, entry: dict[str, Any]) -> None:
        """Add an entry, or to an entry; what is recorded never changes.

        Raises:
            DataError: the lock file is damaged, or has something else recorded.
        """
        with held(f"{self.path}.lock"):
            entries = self._read()
            merged = self._merged(name, entries.get(name, {}), entry)
            if merged != entries.get(name):
                write_json(self.path, dict(sorted((entries | {name: merged}).items())))

    def mismatch(self, name: str, what: str, recorded: str, found: str) -> DataError:
        """The error for an asset that is not what it was on its first download."""
        return DataError(f"{name}: {what} is {found}, but {recorded} on the first download. {self.advice(name)}")

    def advice(self, name: str) -> str:
        """How to accept a change."""
        return f'If the change is intended, delete the entry "{name}" from {self.path} and run again.'

    def changed(self, name: str, advice: str) -> str:
        """The advice for a file that is not what was expected, behind that of the lock if it knows the asset."""
        first = f"The first download was another file. {self.advice(name)}\n" if self.entry(name) else ""
        return (first + advice).strip()

    def _read(self) -> dict[str, Any]:
        entries = read_json(self.path) if self.path.exists() else {}
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise DataError(
                f"{self.path}: must map asset names to what was downloaded; restore it from version control"
            )
        return entries

    def _merged(self, name: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        merged = dict(old)
        for key, value in new.items():
            before = old.get(key)
            if isinstance(value, dict):
                merged[key] = self._merged(name, before or {}, value)
            elif isinstance(before, str) and value not in (None, before):
                raise self.mismatch(name, key, before, value)
            else:
                merged[key] = before if value is None else value
        return merged
