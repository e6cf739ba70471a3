"""Principal components of images, exactly and the same way on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

CHUNK_ROWS = 8192


class LowRankImages(NamedTuple):
    """coefficients (N, k) and basis (k, P), float32; energy (k,): cumulative variance share."""

    coefficients: np.ndarray
    basis: np.ndarray
    energy: np.ndarray


def low_rank(images: np.ndarray, components: int) -> LowRankImages:
    """The first principal components of images (N, ...) uint8, fitted on these images.

    `coefficients @ basis` is the centred image; the mean is not kept, because the published
    AV-MNIST does not add it back. Each basis row's largest entry by magnitude is positive.
    """
    pixels = images.reshape(len(images), -1)
    scatter = _scatter(pixels)
    size = len(scatter)
    values, vectors = eigh(scatter, subset_by_index=[size - components, size - 1])
    basis = vectors[:, ::-1].T
    largest = np.take_along_axis(basis, np.abs(basis).argmax(1)[:, None], 1)
    basis = np.ascontiguousarray(basis * np.sign(largest))
    mean = pixels.sum(0, dtype=np.int64) / len(pixels)
    chunks = [(chunk - mean) @ basis.T for chunk in _chunks(pixels)]
    energy = values[::-1].cumsum() / scatter.trace()
    return LowRankImages(
        np.concatenate(chunks).astype(np.float32), basis.astype(np.float32), energy
    )


def _scatter(pixels: np.ndarray) -> np.ndarray:
    """The centred scatter matrix (P, P) of pixels (N, P) uint8.

    Sums of products of bytes are whole numbers far below 2^53, hence exact in float64 in any order
    of summation: the matrix does not depend on the machine's BLAS or its number of threads.
    """
    products = sum(chunk.T @ chunk for chunk in _chunks(pixels))
    total = pixels.sum(0, dtype=np.int64).astype(np.float64)
    return products - np.outer(total, total) / len(pixels)


def _chunks(pixels: np.ndarray) -> Iterator[np.ndarray]:
    starts = range(0, len(pixels), CHUNK_ROWS)
    return (pixels[start : start + CHUNK_ROWS].astype(np.float64) for start in starts)
