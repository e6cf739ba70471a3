"""Low-rank images: the principal components of these images, without the mean."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.avmnist.pca import CHUNK_ROWS, low_rank


@pytest.fixture
def images() -> np.ndarray:
    """More images than one chunk, of unequal variance per pixel; (N, 3, 4) uint8."""
    spread = np.arange(1, 13).reshape(3, 4)
    values = np.random.default_rng(0).normal(128, 4 * spread, (CHUNK_ROWS + 500, 3, 4))
    return values.clip(0, 255).astype(np.uint8)


def test_all_components_rebuild_the_centred_images(images: np.ndarray) -> None:
    coefficients, basis, energy = low_rank(images, 12)
    pixels = images.reshape(len(images), -1).astype(float)
    assert np.allclose(coefficients @ basis, pixels - pixels.mean(0), atol=1e-3)
    assert energy[-1] == pytest.approx(1)


def test_basis_and_energy_are_those_of_the_singular_value_decomposition(images) -> None:
    _, basis, energy = low_rank(images, 3)
    pixels = images.reshape(len(images), -1).astype(float)
    _, singular, rows = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)
    assert np.allclose(np.abs((basis * rows[:3]).sum(1)), 1, atol=1e-6)
    assert np.allclose(energy, (singular**2).cumsum()[:3] / (singular**2).sum())


def test_fewer_components_are_a_slice_of_more(images: np.ndarray) -> None:
    few, more = low_rank(images, 3), low_rank(images, 4)
    assert np.array_equal(few.coefficients, more.coefficients[:, :3])
    assert np.array_equal(few.basis, more.basis[:3])


def test_signs_follow_the_largest_entry(images: np.ndarray) -> None:
    _, basis, _ = low_rank(images, 4)
    largest = np.abs(basis).argmax(1)
    assert (basis[np.arange(4), largest] > 0).all()


def test_order_of_the_rows_leaves_the_basis_bit_for_bit(images: np.ndarray) -> None:
    shuffled = np.random.default_rng(1).permutation(images)
    assert np.array_equal(low_rank(images, 4).basis, low_rank(shuffled, 4).basis)
