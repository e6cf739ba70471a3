"""Ragged sequences: padded with zeros on the device, by index."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from datasets.errors import DataError
from datasets.tensors.dataset import SplitTensors
from datasets.tensors.sequences import Ragged

VALUES = torch.arange(1.0, 13).view(6, 2)
OFFSETS = torch.tensor([0, 1, 4, 6])
STATISTICS = torch.tensor([[1.0, 2.0], [10.0, 1.0]])


def ragged(**options: object) -> Ragged:
    return Ragged(VALUES, OFFSETS, 4, **options)


def test_sequences_are_padded_to_one_length() -> None:
    batch = ragged().gather(torch.tensor([2, 0]))
    expected = [[[9, 10], [11, 12], [0, 0], [0, 0]], [[1, 2], [0, 0], [0, 0], [0, 0]]]
    assert batch.tolist() == expected and batch.dtype == torch.float32
    assert (ragged().shape, ragged().distinct_count, len(ragged())) == ((4, 2), 3, 3)


def test_a_batch_may_be_padded_to_its_own_longest() -> None:
    batch = ragged(batchwise=True).gather(torch.tensor([2, 0]))
    assert torch.equal(batch, ragged().gather(torch.tensor([2, 0]))[:, :2])
    splits = [SplitTensors({"text": ragged(batchwise=b)}, torch.zeros(3).long()) for b in (0, 1)]
    assert [split.fixed_shapes for split in splits] == [True, False]


def test_normalisation_leaves_padding_and_stored_values_alone() -> None:
    before = VALUES.clone()
    batch = ragged(statistics=STATISTICS).gather(torch.tensor([2]))
    torch.testing.assert_close(batch[0, :2], torch.tensor([[0.8, 8.0], [1.0, 10.0]]))
    assert not batch[0, 2:].any() and torch.equal(VALUES, before)


@pytest.mark.parametrize("batchwise", [False, True])
def test_subsets_share_the_values_and_keep_all_else(batchwise: bool) -> None:
    chosen = torch.tensor([2, 0, 2])
    whole = ragged(statistics=STATISTICS, batchwise=batchwise)
    part = whole.subset(chosen).to("cpu")
    assert part.values.data_ptr() == VALUES.data_ptr() and len(part) == 3
    assert torch.equal(part.gather(torch.arange(3)), whole.gather(chosen))
    distinct = part.gather_distinct(torch.arange(part.distinct_count))
    assert torch.equal(
        distinct[part.distinct_index], whole.gather_distinct(torch.arange(3))[chosen]
    )


def test_a_batch_is_gathered_without_a_value_going_to_the_host() -> None:
    source = ragged(statistics=STATISTICS)
    meta = source.values.to("meta"), source.offsets.to("meta")
    source.values, source.offsets = meta
    source.positions, source.statistics = source.positions.to("meta"), STATISTICS.to("meta")
    assert source.gather_distinct(torch.arange(2, device="meta")).shape == (2, 4, 2)


def offsets(*numbers: int) -> Tensor:
    return torch.tensor(numbers)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Ragged(VALUES.double(), OFFSETS, 4), r"need float32 \(R, D\)"),
        (lambda: Ragged(VALUES[0], OFFSETS, 4), r"need float32 \(R, D\)"),
        (lambda: Ragged(VALUES, OFFSETS.int(), 4), r"need int64 \(K \+ 1,\)"),
        (lambda: Ragged(VALUES, offsets(0, 2), 4), "must rise from 0 to 6"),
        (lambda: Ragged(VALUES, offsets(1, 6), 9), "must rise from 0 to 6"),
        (lambda: Ragged(VALUES, offsets(0, 4, 2, 6), 9), "must rise from 0 to 6"),
        (lambda: Ragged(VALUES, offsets(0, 3, 3, 6), 9), "must rise from 0 to 6"),
        (lambda: Ragged(VALUES, OFFSETS, 2), "a sequence has 3 rows; at most 2"),
    ],
)
def test_what_does_not_fit_together_is_refused(build, text: str) -> None:
    with pytest.raises(DataError, match=text):
        build()
