"""Which rows of AV-MNIST are in which split, under each protocol."""

from __future__ import annotations

from pathlib import Path

import torch

from datasets import registry


def test_the_default_protocol_validates_on_the_last_training_rows(shared_stand_in: Path) -> None:
    data = registry.load("avmnist", shared_stand_in)
    named = registry.load("avmnist", shared_stand_in, {"protocol": "validation"})
    assert [len(s) for s in (data.train, data.val, data.test)] == [2200, 200, 600]
    assert named.fingerprint == data.fingerprint
    assert named.split_fingerprint == data.split_fingerprint


def test_the_published_protocol_validates_on_the_test_rows(shared_stand_in: Path) -> None:
    data = registry.load("avmnist", shared_stand_in)
    published = registry.load("avmnist", shared_stand_in, {"protocol": "published"})
    sizes = [len(s) for s in (published.train, published.val, published.test)]
    assert sizes == [2160, 540, 540]
    assert torch.equal(published.val.labels, published.test.labels)
    assert torch.equal(published.test.labels, data.test.labels[:540])
    assert torch.equal(published.train.labels, data.train.labels[:2160])
    assert published.fingerprint != data.fingerprint
    assert published.split_fingerprint != data.split_fingerprint
