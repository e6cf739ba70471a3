"""Sources and splits: batches by index, sharing, and refusal of what does not fit together."""

from __future__ import annotations

import pytest
import torch

from datasets.errors import DataError
from datasets.spec import DatasetSpec
from datasets.tensors.dataset import Dataset, SplitTensors
from datasets.tensors.sources import Indexed, LowRank, Source

INDEX = torch.tensor([2, 0, 2, 1, 0])
VALUES = torch.tensor([[0, 51], [102, 153], [204, 255]], dtype=torch.uint8)
COEFFICIENTS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.0, 5.0], [2.0, 2.0], [1.0, 1.0]])
BASIS = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])


def audio() -> Indexed:
    return Indexed(VALUES, INDEX)


def visual() -> LowRank:
    return LowRank(COEFFICIENTS, BASIS, (1, 2, 2), scale=0.5)


def split() -> SplitTensors:
    return SplitTensors({"audio": audio(), "visual": visual()}, torch.tensor([0, 1, 2, 1, 0]))


def dataset(classes: int = 3, shape: tuple[int, ...] = (2,)) -> Dataset:
    spec = DatasetSpec("toy", {"audio": shape, "visual": (1, 2, 2)}, classes)
    return Dataset(spec, split(), split(), split(), "fingerprint", "split", stand_in=True)


def test_indexed_samples_are_scaled_table_rows() -> None:
    batch = audio().gather(torch.tensor([0, 3]))
    torch.testing.assert_close(batch, torch.tensor([[0.8, 1.0], [0.4, 0.6]]))
    assert batch.dtype == torch.float32


def test_low_rank_samples_are_scaled_mixtures_of_the_basis() -> None:
    batch = visual().gather(torch.tensor([1]))
    torch.testing.assert_close(batch, torch.tensor([[[[1.5, -0.5], [1.5, 0.5]]]]))


def test_low_rank_samples_ignore_autocast() -> None:
    rows = torch.arange(5)
    with torch.autocast("cpu", torch.bfloat16):
        inside = visual().gather(rows)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, visual().gather(rows))


@pytest.mark.parametrize("source", [audio(), visual()], ids=["indexed", "low_rank"])
def test_distinct_values_rebuild_every_sample(source: Source) -> None:
    distinct = source.gather_distinct(torch.arange(source.distinct_count))
    every = torch.arange(len(source))
    assert torch.equal(distinct[source.distinct_index], source.gather(every))


@pytest.mark.parametrize("source", [audio(), visual()], ids=["indexed", "low_rank"])
def test_subset_selects_samples_in_the_order_given(source: Source) -> None:
    chosen = torch.tensor([4, 1, 1])
    subset = source.subset(chosen)
    assert len(subset) == 3
    assert torch.equal(subset.gather(torch.arange(3)), source.gather(chosen))


def test_indexed_has_as_many_distinct_values_as_table_rows() -> None:
    assert audio().distinct_count == 3
    assert torch.equal(visual().distinct_index, torch.arange(5))


def test_subset_shares_the_table() -> None:
    assert audio().subset(torch.tensor([0])).values.data_ptr() == VALUES.data_ptr()


def test_batch_keeps_inputs_and_labels_together() -> None:
    index = torch.tensor([3, 0])
    inputs, labels = split().to("cpu").subset(torch.tensor([1, 2, 3, 4])).batch(index)
    expected, expected_labels = split().batch(torch.tensor([4, 1]))
    assert labels.tolist() == expected_labels.tolist() == [0, 1]
    assert all(torch.equal(inputs[m], expected[m]) for m in ("audio", "visual"))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Indexed(VALUES, torch.tensor([0, 3])), r"outside 0\.\.2"),
        (lambda: Indexed(VALUES, torch.tensor([-1])), r"outside 0\.\.2"),
        (lambda: Indexed(VALUES.float(), INDEX), "need uint8"),
        (lambda: Indexed(VALUES, INDEX.int()), "need int64"),
        (lambda: LowRank(COEFFICIENTS, BASIS, (3,)), r"need \(N, k\) and \(k, 3\)"),
        (lambda: LowRank(COEFFICIENTS.double(), BASIS, (4,)), "need float32"),
        (lambda: SplitTensors({"audio": audio()}, torch.zeros(4).long()), "4 labels, but"),
        (lambda: SplitTensors({}, torch.zeros(4).long()), "4 labels, but"),
        (lambda: SplitTensors({"audio": audio()}, torch.zeros(5)), "need int64"),
        (lambda: SplitTensors({"audio": audio()}, INDEX - 1), "smallest label is -1"),
        (lambda: dataset(classes=2), "label 2, but there are 2 classes"),
        (lambda: dataset(shape=(3,)), "the spec says"),
    ],
)
def test_what_does_not_fit_together_is_refused(build, text: str) -> None:
    with pytest.raises(DataError, match=text):
        build()


def test_a_consistent_dataset_is_accepted() -> None:
    assert len(dataset().train) == 5


def test_labels_of_segments_follow_their_samples() -> None:
    values = torch.arange(6, dtype=torch.uint8).view(3, 2)
    source = Indexed(values, torch.arange(3), scale=1.0)
    labels = torch.tensor([[1, 2], [3, 4], [5, 6]])
    inputs, batch = SplitTensors({"audio": source}, labels).batch(torch.tensor([2, 0]))
    assert inputs["audio"].tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert batch.tolist() == [5, 6, 1, 2]


def test_training_batches_are_augmented_and_others_are_not() -> None:
    class Noisy(Indexed):
        def augmented(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            return self.gather(index) + torch.rand(len(index), 1, generator=generator)

    source = Noisy(torch.zeros(4, 1, dtype=torch.uint8), torch.arange(4))
    split = SplitTensors({"audio": source}, torch.zeros(4, dtype=torch.long))
    rows = torch.arange(4)
    first, again = (split.batch(rows, torch.Generator().manual_seed(1))[0] for _ in range(2))
    assert first["audio"].unique().numel() == 4
    assert torch.equal(first["audio"], again["audio"])
    assert split.batch(rows)[0]["audio"].abs().sum() == 0
