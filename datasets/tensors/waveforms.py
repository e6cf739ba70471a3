"""Speech as a source: int16 samples on disk and in memory, spectrograms for the model."""

from __future__ import annotations

import torch
from torch import Tensor

from datasets.errors import DataError
from datasets.tensors.sources import Dense, Source
from datasets.tensors.spectra import FrontEnd

FULL_SCALE = 1 << 15
CHUNK = 128
"""Clips expanded at once: half a gigabyte of intermediate values."""


class Waveforms(Source):
    """Sample i is the spectrogram of clip `index[i]`, of K clips.

    `to` expands them once per device, on it, so that training gathers finished spectrograms.
    """

    def __init__(
        self, samples: Tensor, lengths: Tensor, front_end: FrontEnd, index: Tensor | None = None
    ) -> None:
        """samples (K, S) int16, lengths (K,) int64 in 1..S; index (N,) int64, by default 0..K-1.

        Raises DataError on other types or lengths.
        """
        if samples.dtype != torch.int16 or samples.ndim != 2 or lengths.shape != samples.shape[:1]:
            found = f"{samples.dtype} {tuple(samples.shape)}, lengths {tuple(lengths.shape)}"
            raise DataError(f"samples are {found}; need int16 (K, S) and (K,)")
        if len(lengths) and not 1 <= int(lengths.min()) <= int(lengths.max()) <= samples.shape[1]:
            raise DataError(f"lengths are outside 1..{samples.shape[1]}, the samples of a clip")
        self.samples, self.lengths, self.front_end = samples, lengths, front_end
        self.distinct_index = torch.arange(len(samples)) if index is None else index
        self.distinct_count = len(samples)
        self.expanded: dict[torch.device, Dense] = {}  # a process trains many runs on the same data
        self.shape = tuple(self.gather_distinct(torch.arange(1)).shape[1:])

    def gather_distinct(self, rows: Tensor) -> Tensor:
        signal = self.samples.index_select(0, rows).float() / FULL_SCALE
        return self.front_end(signal, self.lengths.index_select(0, rows))

    def to(self, device: torch.device | str) -> Dense:
        place = torch.device(device)
        if place not in self.expanded:
            self.expanded[place] = self._expand(place)
        return self.expanded[place]

    def subset(self, index: Tensor) -> Waveforms:
        chosen = self.distinct_index.index_select(0, index)
        return Waveforms(self.samples, self.lengths, self.front_end, chosen)

    def _expand(self, device: torch.device) -> Dense:
        spectra = torch.empty(len(self), *self.shape, device=device)
        for start in range(0, len(self), CHUNK):
            rows = self.distinct_index[start : start + CHUNK]
            signal = self.samples.index_select(0, rows).to(device).float() / FULL_SCALE
            lengths = self.lengths.index_select(0, rows).to(device)
            spectra[start : start + CHUNK] = self.front_end(signal, lengths)
        return Dense(spectra)
