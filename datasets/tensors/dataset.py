"""What a loader returns: splits that live on a device and give float32 batches by index.

A split keeps its data compact (uint8 spectrograms with an index, PCA coefficients with a basis), so
that all of it fits on the device and a batch is one gather, without the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from datasets.errors import DataError
from datasets.spec import DatasetSpec
from datasets.tensors.sources import Source


class SplitTensors:
    """The N samples of one split: one source per modality and the labels.

    Labels are (N,), or (N, T) where a sample has T segments that are classified one by one.
    """

    def __init__(self, inputs: Mapping[str, Source], labels: Tensor) -> None:
        """Raises DataError if lengths differ, or labels are not int64 (N[, T]) from 0 on."""
        if labels.dtype != torch.long or labels.ndim not in (1, 2):
            found = f"{labels.dtype} {tuple(labels.shape)}"
            raise DataError(f"labels are {found}; need int64 (N,) or (N, T)")
        lengths = {m: len(source) for m, source in inputs.items()}
        if not inputs or set(lengths.values()) != {len(labels)}:
            raise DataError(f"{len(labels)} labels, but samples per modality are {lengths}")
        if labels.numel() and int(labels.min()) < 0:
            raise DataError(f"the smallest label is {int(labels.min())}; labels start at 0")
        self.inputs = dict(inputs)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def flat_labels(self) -> Tensor:
        """The label of every prediction, sample by sample: (N,) or (N * T,)."""
        return self.labels.flatten()

    @property
    def fixed_shapes(self) -> bool:
        """Whether every batch has the shapes of the spec."""
        return not any(source.batchwise for source in self.inputs.values())

    def batch(
        self, index: Tensor, augmentation: torch.Generator | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Rows `index` (B,) int64: {modality: (B, *shape) float32}, labels (B,) or (B * T,).

        With a generator, on this split's device, samples are augmented as in training.
        """
        if augmentation is None:
            inputs = {m: source.gather(index) for m, source in self.inputs.items()}
        else:
            inputs = {m: source.augmented(index, augmentation) for m, source in self.inputs.items()}
        return inputs, self.labels.index_select(0, index).flatten()

    def to(self, device: torch.device | str) -> SplitTensors:
        """The same split on `device`."""
        moved = {m: source.to(device) for m, source in self.inputs.items()}
        return SplitTensors(moved, self.labels.to(device))

    def subset(self, index: Tensor) -> SplitTensors:
        """The rows `index` (B,) int64, in that order; large tables are shared, not copied."""
        chosen = {m: source.subset(index) for m, source in self.inputs.items()}
        return SplitTensors(chosen, self.labels.index_select(0, index))


@dataclass(frozen=True)
class Dataset:
    """Three splits that agree with `spec`, and where they come from.

    `fingerprint` identifies the data actually used, loading options included;
    `split_fingerprint` which samples are in which split, see `store.splits.split_fingerprint`.
    `stand_in` is True for generated data, which never gets a verdict against the paper.
    """

    spec: DatasetSpec
    train: SplitTensors
    val: SplitTensors
    test: SplitTensors
    fingerprint: str
    split_fingerprint: str
    stand_in: bool

    def __post_init__(self) -> None:
        """Raises DataError, listing every split that disagrees with the spec."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        problems = [p for name, split in splits.items() for p in _problems(name, split, self.spec)]
        if problems:
            raise DataError(f"{self.spec.name} is inconsistent: " + "; ".join(problems))


def _problems(name: str, split: SplitTensors, spec: DatasetSpec) -> list[str]:
    """What is wrong with a split: order and shapes of its modalities, size, range of labels."""
    problems = []
    shapes = {m: tuple(source.shape) for m, source in split.inputs.items()}
    if list(shapes.items()) != list(spec.shapes.items()):
        problems.append(f"{name} has {shapes}, the spec says {dict(spec.shapes)}")
    if split.labels[:1].numel() != spec.segments:
        problems.append(f"{name} has labels {tuple(split.labels.shape)}, not {spec.segments} each")
    if not len(split):
        problems.append(f"{name} is empty")
    elif int(split.labels.max()) >= spec.classes:
        problems.append(
            f"{name} has label {int(split.labels.max())}, but there are {spec.classes} classes"
        )
    return problems
