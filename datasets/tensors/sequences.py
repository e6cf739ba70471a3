"""Sequences of different lengths in compact form: no padding is stored, batches are padded."""

from __future__ import annotations

import torch
from torch import Tensor

from datasets.errors import DataError
from datasets.tensors.sources import Source


class Ragged(Source):
    """K sequences of D features, one behind the other; sample i is sequence `index[i]`.

    values (R, D) float32 and offsets (K + 1,) int64: sequence k is rows offsets[k] to
    offsets[k + 1] - 1. Batches (B, L, D) are padded with zeros at the end, to `longest`, the L of
    `shape`. With `batchwise` they are padded to the longest sequence of the batch: one wait for
    the device per batch, and shapes that change.
    `statistics` (2, D), mean and standard deviation, normalise the features before the padding.
    """

    def __init__(
        self,
        values: Tensor,
        offsets: Tensor,
        longest: int,
        *,
        index: Tensor | None = None,
        statistics: Tensor | None = None,
        batchwise: bool = False,
    ) -> None:
        """Raises DataError if types, sizes or offsets do not fit together."""
        _check(values, offsets, longest)
        count = len(offsets) - 1
        self.values, self.offsets, self.statistics = values, offsets, statistics
        self.shape, self.distinct_count, self.batchwise = (
            (longest, values.shape[1]),
            count,
            batchwise,
        )
        everything = torch.arange(count, device=offsets.device)
        self.distinct_index = everything if index is None else index
        self.positions = torch.arange(longest, device=offsets.device)

    def gather_distinct(self, rows: Tensor) -> Tensor:
        first = self.offsets.index_select(0, rows)
        lengths = self.offsets.index_select(0, rows + 1) - first
        positions = self.positions[: int(lengths.max())] if self.batchwise else self.positions
        is_real = positions < lengths[:, None]
        taken = torch.where(is_real, first[:, None] + positions, 0)
        found = self.values.index_select(0, taken.flatten())
        if self.statistics is not None:
            found = found.sub_(self.statistics[0]).div_(self.statistics[1])
        return found.view(*taken.shape, -1).masked_fill_(~is_real[..., None], 0)

    def to(self, device: torch.device | str) -> Ragged:
        return self._with(self.values.to(device), self.offsets.to(device), self.distinct_index)

    def subset(self, index: Tensor) -> Ragged:
        chosen = self.distinct_index.index_select(0, index)
        return self._with(self.values, self.offsets, chosen)

    def _with(self, values: Tensor, offsets: Tensor, index: Tensor) -> Ragged:
        """The same normalisation and padding of other tensors."""
        device = values.device
        return Ragged(
            values,
            offsets,
            self.shape[0],
            index=index.to(device),
            statistics=None if self.statistics is None else self.statistics.to(device),
            batchwise=self.batchwise,
        )


def _check(values: Tensor, offsets: Tensor, longest: int) -> None:
    if values.dtype != torch.float32 or values.ndim != 2:
        raise DataError(f"values are {values.dtype} {tuple(values.shape)}; need float32 (R, D)")
    if offsets.dtype != torch.long or offsets.ndim != 1 or not len(offsets):
        raise DataError(f"offsets are {offsets.dtype} {tuple(offsets.shape)}; need int64 (K + 1,)")
    lengths = offsets.diff()
    limits = (int(offsets[0]), int(offsets[-1]))
    if limits != (0, len(values)) or (len(lengths) and int(lengths.min()) < 1):
        raise DataError(
            f"offsets must rise from 0 to {len(values)}; they go from {limits[0]} to {limits[1]}"
        )
    if len(lengths) and int(lengths.max()) > longest:
        raise DataError(f"a sequence has {int(lengths.max())} rows; at most {longest} are allowed")
