"""Pairings: aligned keeps every digit; scrambled is the completion order of a pool of workers."""

from __future__ import annotations

import hashlib
import time
from itertools import pairwise

import numpy as np
import pytest
import torch

from datasets import registry
from datasets.avmnist.pairing import WORKERS, aligned_pairing, completion_order, scrambled_pairing
from datasets.errors import DataError

RANDOM = np.random.default_rng(0)
LABELS = {"train": RANDOM.integers(0, 10, 12_000), "test": RANDOM.integers(0, 10, 3_000)}
DIGITS = {"train": np.repeat(np.arange(10), 160), "test": np.repeat(np.arange(10), 40)}
ALIGNED = aligned_pairing(LABELS, DIGITS, seed=0)
SCRAMBLED = scrambled_pairing(ALIGNED, seed=0)


@pytest.mark.parametrize("part", ["train", "test"])
def test_aligned_clips_say_the_images_digit(part: str) -> None:
    assert np.array_equal(DIGITS[part][ALIGNED[part]], LABELS[part])


def test_aligned_clips_of_a_digit_come_in_a_fixed_cycle() -> None:
    clips = ALIGNED["train"][LABELS["train"] == 3]
    assert len(set(clips[:160])) == 160
    assert np.array_equal(clips[160:], clips[:-160])


def test_aligned_clips_are_shuffled_by_the_seed() -> None:
    other = aligned_pairing(LABELS, DIGITS, seed=1)["train"]
    assert not np.array_equal(other, ALIGNED["train"])
    assert np.array_equal(aligned_pairing(LABELS, DIGITS, seed=0)["train"], ALIGNED["train"])


def test_a_digit_without_a_clip_is_named() -> None:
    with pytest.raises(DataError, match="no recording of digit 9 for the train split"):
        aligned_pairing(LABELS, {**DIGITS, "train": np.arange(9)}, seed=0)


@pytest.mark.parametrize("part", ["train", "test"])
def test_scrambling_moves_clips_but_loses_none(part: str) -> None:
    assert np.array_equal(np.sort(SCRAMBLED[part]), np.sort(ALIGNED[part]))
    assert not np.array_equal(SCRAMBLED[part], ALIGNED[part])


def test_scrambled_shares_are_those_of_the_published_data() -> None:
    kept = (SCRAMBLED["train"] == ALIGNED["train"]).mean()
    same = (DIGITS["train"][SCRAMBLED["train"]] == LABELS["train"]).mean()
    assert kept == pytest.approx(0.35, abs=0.02)
    assert same == pytest.approx(0.41, abs=0.02)


def test_equal_job_times_keep_the_order() -> None:
    order = completion_order(1000, np.random.RandomState(0), spread=0.0)
    assert np.array_equal(order, np.arange(1000))


@pytest.mark.parametrize("jobs", [0, 1, WORKERS, 5000])
def test_every_job_completes_once_and_none_before_it_could_start(jobs: int) -> None:
    order = completion_order(jobs, np.random.RandomState(0))
    assert np.array_equal(np.sort(order), np.arange(jobs))
    assert (order - np.arange(jobs) < WORKERS).all()


def test_completion_order_is_that_of_a_pool_simulated_step_by_step() -> None:
    seconds = (1 + 0.05 * np.random.RandomState(7).standard_normal(300)).clip(0.1)
    free_at, finished = np.zeros(WORKERS), np.zeros(300)
    for job, duration in enumerate(seconds):
        worker = free_at.argmin()
        free_at[worker] += duration
        finished[job] = free_at[worker]
    order = completion_order(300, np.random.RandomState(7))
    assert np.array_equal(order, finished.argsort(kind="stable"))


def test_the_order_of_seed_0_is_pinned() -> None:
    order = completion_order(70_000, np.random.RandomState([0, 1])).astype("<i4")
    assert hashlib.sha256(order.tobytes()).hexdigest()[:16] == "4332e719b29ddbff"


def test_seventy_thousand_jobs_take_under_two_seconds() -> None:
    start = time.perf_counter()
    completion_order(70_000, np.random.RandomState(0))
    assert time.perf_counter() - start < 2


def test_the_more_job_times_vary_the_fewer_rows_keep_their_recording(shared_stand_in) -> None:
    pairings = ("aligned", "scrambled_1", "scrambled_3", "scrambled", "scrambled_20")
    loaded = [registry.load("avmnist", shared_stand_in, {"pairing": p}) for p in pairings]
    rows = [data.test.inputs["audio"].distinct_index for data in loaded]
    kept = [float((index == rows[0]).float().mean()) for index in rows]
    assert kept[0] == 1
    assert all(later < earlier for earlier, later in pairwise(kept))
    assert len({data.fingerprint for data in loaded}) == len(pairings)
    assert all(torch.equal(index.bincount(), rows[0].bincount()) for index in rows)
