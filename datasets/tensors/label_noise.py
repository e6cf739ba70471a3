"""Wrong training labels: symmetric noise, as in the study of MASAM (20 to 60 % of the labels).

Validation and test labels stay as they are: epochs are chosen and reported on true labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from datasets.errors import DataError
from datasets.store.manifest import digest_of

if TYPE_CHECKING:
    from torch import Tensor

    from datasets.tensors.dataset import Dataset

OPTION = "label_noise"
SEED = 999  # of the noise: every method and every seed of training meets the same wrong labels
RECIPE = 1  # raised when other labels would come out


def taken_from(options: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The percentage of wrong labels and the other options; DataError unless it is 0 to 100."""
    others = dict(options)
    percent = others.pop(OPTION, 0)
    if not isinstance(percent, int) or isinstance(percent, bool) or not 0 <= percent <= 100:
        raise DataError(f"{OPTION}={percent!r}; it is a whole number of percent, 0 to 100")
    return percent, others


def noisy_fingerprint(fingerprint: str, percent: int) -> str:
    """Identifies the data with that noise; without noise the data's own fingerprint."""
    return digest_of([fingerprint, OPTION, RECIPE, percent]) if percent else fingerprint


def with_label_noise(dataset: Dataset, percent: int) -> Dataset:
    """The dataset with `percent` of its training labels replaced, each by any of the other classes
    with equal probability. More noise keeps the wrong labels of less."""
    from datasets.tensors.dataset import SplitTensors

    if not percent:
        return dataset
    labels = wrong_labels(dataset.train.labels, dataset.spec.classes, percent)
    identity = noisy_fingerprint(dataset.fingerprint, percent)
    train = SplitTensors(dataset.train.inputs, labels)
    return replace(dataset, train=train, fingerprint=identity)


def wrong_labels(labels: Tensor, classes: int, percent: int) -> Tensor:
    """Labels (N,) or (N, T) with round(percent of them) replaced, the same in every call."""
    import numpy as np
    import torch

    random = np.random.RandomState(SEED)
    flat = labels.flatten().numpy().copy()
    order = random.permutation(len(flat))
    shifts = random.randint(1, classes, len(flat))
    chosen = order[: round(len(flat) * percent / 100)]
    flat[chosen] = (flat[chosen] + shifts[chosen]) % classes
    return torch.from_numpy(flat).reshape(labels.shape)
