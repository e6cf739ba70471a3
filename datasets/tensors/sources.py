"""Sources: the samples of one modality in compact form, expanded batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod

import torch
from torch import Tensor

from datasets.errors import DataError


class Source(ABC):
    """N samples of one modality, of which K are distinct.

    Sample i is distinct value `distinct_index[i]`. Evaluating a modality on its own therefore needs
    `distinct_count` forward passes, not N: `gather_distinct(rows)` gives the values to encode.
    """

    shape: tuple[int, ...]
    distinct_count: int
    distinct_index: Tensor
    batchwise = False  # whether a batch is only as long as its longest sample

    def __len__(self) -> int:
        return len(self.distinct_index)

    def gather(self, index: Tensor) -> Tensor:
        """Samples `index` (B,) int64, on this source's device -> (B, *shape) float32."""
        return self.gather_distinct(self.distinct_index.index_select(0, index))

    def augmented(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """As `gather`, with the random changes of training, if this modality has any."""
        return self.gather(index)

    @abstractmethod
    def gather_distinct(self, rows: Tensor) -> Tensor:
        """Distinct values `rows` (B,) int64, each in 0..K-1 -> (B, *shape) float32."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Source:
        """The same samples on `device`."""

    @abstractmethod
    def subset(self, index: Tensor) -> Source:
        """The samples `index` (B,) int64, in that order."""


class Indexed(Source):
    """Sample i is `scale * values[index[i]]`: values (K, *shape) uint8, index (N,) int64."""

    def __init__(self, values: Tensor, index: Tensor, scale: float = 1 / 255) -> None:
        """Raises DataError on a wrong type or rank, or an index outside 0..K-1."""
        if values.dtype != torch.uint8 or values.ndim < 2:
            raise DataError(f"values are {values.dtype} {tuple(values.shape)}; need uint8 (K, ...)")
        if index.dtype != torch.long or index.ndim != 1:
            raise DataError(f"index is {index.dtype} {tuple(index.shape)}; need int64 (N,)")
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(values):
            raise DataError(
                f"the index has rows outside 0..{len(values) - 1}, the rows of the values"
            )
        self.values, self.distinct_index, self.scale = values, index, scale
        self.shape, self.distinct_count = tuple(values.shape[1:]), len(values)

    def gather_distinct(self, rows: Tensor) -> Tensor:
        return self.values.index_select(0, rows).float().mul_(self.scale)

    def to(self, device: torch.device | str) -> Indexed:
        return Indexed(self.values.to(device), self.distinct_index.to(device), self.scale)

    def subset(self, index: Tensor) -> Indexed:
        return Indexed(self.values, self.distinct_index.index_select(0, index), self.scale)


class LowRank(Source):
    """Sample i is `scale * coefficients[i] @ basis`: coefficients (N, k), basis (k, P) float32.

    `shape` has P elements. No mean is added: the published AV-MNIST images have none.
    """

    def __init__(
        self,
        coefficients: Tensor,
        basis: Tensor,
        shape: tuple[int, ...],
        scale: float = 1 / 255,
    ) -> None:
        """Raises DataError if types or sizes do not fit together."""
        expected = (coefficients.shape[-1], prod(shape))
        if coefficients.ndim != 2 or tuple(basis.shape) != expected:
            found = f"coefficients {tuple(coefficients.shape)}, basis {tuple(basis.shape)}"
            raise DataError(f"{found}; need (N, k) and (k, {prod(shape)})")
        if {coefficients.dtype, basis.dtype} != {torch.float32}:
            raise DataError(f"need float32; found {coefficients.dtype} and {basis.dtype}")
        self.coefficients, self.basis, self.scale = coefficients, basis, scale
        self.shape, self.distinct_count = tuple(shape), len(coefficients)
        self.distinct_index = torch.arange(len(coefficients), device=coefficients.device)

    def gather(self, index: Tensor) -> Tensor:
        return self.gather_distinct(index)

    def gather_distinct(self, rows: Tensor) -> Tensor:
        # A sum, not a matrix product: autocast and TF32 settings must not change the data.
        weights = self.coefficients.index_select(0, rows)
        pixels = (weights.unsqueeze(2) * self.basis).sum(1)
        return pixels.mul_(self.scale).view(-1, *self.shape)

    def to(self, device: torch.device | str) -> LowRank:
        moved = self.coefficients.to(device), self.basis.to(device)
        return LowRank(*moved, self.shape, self.scale)

    def subset(self, index: Tensor) -> LowRank:
        chosen = self.coefficients.index_select(0, index)
        return LowRank(chosen, self.basis, self.shape, self.scale)


class Dense(Source):
    """Sample i is values[i]: values (N, *shape) float16 or float32."""

    def __init__(self, values: Tensor) -> None:
        """Raises DataError on a wrong type or rank."""
        if values.dtype not in (torch.float16, torch.float32) or values.ndim < 2:
            found = f"{values.dtype} {tuple(values.shape)}"
            raise DataError(f"values are {found}; need float16 or float32 (N, ...)")
        self.values = values
        self.shape, self.distinct_count = tuple(values.shape[1:]), len(values)
        self.distinct_index = torch.arange(len(values), device=values.device)

    def gather(self, index: Tensor) -> Tensor:
        return self.gather_distinct(index)

    def gather_distinct(self, rows: Tensor) -> Tensor:
        return self.values.index_select(0, rows).float()

    def to(self, device: torch.device | str) -> Dense:
        return Dense(self.values.to(device))

    def subset(self, index: Tensor) -> Dense:
        return Dense(self.values.index_select(0, index))
