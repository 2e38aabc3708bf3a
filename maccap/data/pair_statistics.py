"""The modality gap of paired data as CLOSE's adapters model it: mean and covariance of image minus caption feature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ..core.errors import DataError
from .features import read_store, write_store


@dataclass(frozen=True)
class PairStatistics:
    """Of `pairs` differences between an image's feature and a caption's: `mean` [d] and `covariance` [d, d]."""

    mean: torch.Tensor
    covariance: torch.Tensor

    @classmethod
    def of(cls, images: torch.Tensor, captions: torch.Tensor) -> PairStatistics:
        """Statistics of pairs of L2-normalised features [P, d], row by row.

        Raises:
            DataError: fewer than two pairs, which have no covariance.
        """
        if len(images) < 2:
            raise DataError(
                f"{len(images)} image-caption pairs in the validation split; the adapters of CLOSE need two"
            )
        differences = (images - captions).double()
        return cls(differences.mean(dim=0).float(), torch.cov(differences.T).float())

    @cached_property
    def root(self) -> torch.Tensor:
        """[d, d]; a standard normal row times it has the covariance, which may be singular."""
        values, vectors = torch.linalg.eigh(self.covariance.double())
        return (values.clamp(min=0).sqrt().unsqueeze(1) * vectors.T).float()

    def write(self, path: Path | str) -> None:
        write_store(path, {"mean": self.mean, "covariance": self.covariance}, {}, "float32")

    @classmethod
    def read(cls, path: Path | str) -> PairStatistics:
        """Raises DataError when the file is missing or damaged."""
        store = read_store(path)
        return cls(store["mean"], store["covariance"])
