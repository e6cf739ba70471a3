"""Simulated runs with a known truth, prediction by prediction.

Every test sample has a margin for every row of a table: how easy the sample is for that method. The
margin is partly shared by all rows, because hard samples are hard for every method. A run gets a
sample right if margin + threshold of the row + shift of the seed exceeds a noise of its own. The
noise is uniform, so that one draw is two random bytes.

The spread over seeds on one test set is set exactly: at most half of its variance is noise of
single predictions, and the shift of the seed is the rest. Small spreads on small test sets
therefore mean runs that agree on almost every sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

SHARED = 0.8  # correlation of the margins of two rows
OF_CLIP = 0.7  # part of a margin's variance that all segments of a clip share
_WIDEST = 2.0  # most noise, in standard deviations of the margins
_HALF_RANGE = 1 << 15  # the noise is a random 16-bit number: between plus and minus this


@dataclass(frozen=True)
class Dataset:
    """The test set of a dataset: ours, the part that the paper used, and a typical accuracy (%)."""

    name: str
    samples: int
    paper_samples: int
    accuracy: float
    segments: int = 1


DATASETS = (
    Dataset("avmnist", 10_000, 10_000, 73.0),
    Dataset("cremad", 744, 669, 66.0),
    Dataset("urfunny", 3_290, 3_290, 66.0),
    Dataset("ave", 402, 402, 77.0, segments=10),
)


@dataclass(frozen=True)
class Draw:
    """One simulated column of a table.

    `right` (M, S, N) counts the right segments of each test sample, for M rows and S seeds.
    `expected` (M,) is each row's accuracy on these test samples over all seeds, and `printed` (M,)
    that of one more run on the paper's test samples: what a paper would print. Both are percent.
    """

    right: np.ndarray
    expected: np.ndarray
    printed: np.ndarray


@dataclass(frozen=True)
class World:
    """A truth: all `rows` have the expected accuracy of the test set.

    `spread` is the standard deviation over seeds in points, as measured on one test set.
    """

    dataset: Dataset
    spread: float
    rows: int
    seeds: int

    def draw(self, generator: np.random.Generator) -> Draw:
        """Draws new test samples, new methods and new seeds."""
        n, segments = self.dataset.samples, self.dataset.segments
        margins = self._margins(generator)
        scale = np.float32(_HALF_RANGE / self._noise)
        ease = (margins[:, None] + np.float32(self._threshold)) * scale
        runs = self.seeds + 1  # the last is the paper's
        shifts = generator.standard_normal((self.rows, runs, 1), dtype=np.float32)
        shape = (self.rows, runs, n * segments)
        noise = np.frombuffer(generator.bytes(2 * math.prod(shape)), np.int16).reshape(shape)
        right = ease + shifts * np.float32(self._shift_sd) * scale > noise
        counts = right.reshape(self.rows, runs, n, segments).sum(3, dtype=np.int8)
        printed = counts[:, -1, : self.dataset.paper_samples].mean(1) / segments
        chance = np.clip(ease[:, 0] / (2 * _HALF_RANGE) + 0.5, 0, 1)
        return Draw(counts[:, :-1], 100 * chance.mean(1, dtype=np.float64), 100 * printed)

    def _margins(self, generator: np.random.Generator) -> np.ndarray:
        """(M, N * segments), standard normal."""
        n, segments = self.dataset.samples, self.dataset.segments
        clips = self._correlated(generator, n)
        if segments == 1:
            return clips
        own = self._correlated(generator, n * segments)
        return math.sqrt(OF_CLIP) * clips.repeat(segments, 1) + math.sqrt(1 - OF_CLIP) * own

    def _correlated(self, generator: np.random.Generator, size: int) -> np.ndarray:
        shared = generator.standard_normal(size, dtype=np.float32)
        own = generator.standard_normal((self.rows, size), dtype=np.float32)
        return math.sqrt(SHARED) * shared + math.sqrt(1 - SHARED) * own

    @cached_property
    def _noise(self) -> float:
        """Half the width of the noise of single predictions."""
        most = 0.5 * (self.spread / 100) ** 2

        def excess(width: float) -> float:
            return self._noise_variance(width) - most

        return _WIDEST if excess(_WIDEST) <= 0 else brentq(excess, 1e-4, _WIDEST)

    def _noise_variance(self, width: float) -> float:
        """Variance of a run's accuracy (a fraction) that single predictions cause."""
        threshold = _threshold(self.dataset.accuracy / 100, width)

        def undecided(x: float) -> float:
            chance = min(1.0, max(0.0, (x + threshold + width) / (2 * width)))
            return chance * (1 - chance) * math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)

        mean, _ = quad(undecided, -threshold - width, -threshold + width)
        return mean / (self.dataset.samples * self.dataset.segments)

    @cached_property
    def _shift_sd(self) -> float:
        """Standard deviation of a seed's shift, in units of the margins."""
        rest = (self.spread / 100) ** 2 - self._noise_variance(self._noise)
        edges = ndtr(self._threshold + self._noise) - ndtr(self._threshold - self._noise)
        return math.sqrt(max(0.0, rest)) * 2 * self._noise / edges

    @cached_property
    def _threshold(self) -> float:
        return _threshold(self.dataset.accuracy / 100, self._noise)


def _threshold(accuracy: float, noise: float) -> float:
    """The threshold at which a run gets this fraction right."""

    def excess(threshold: float) -> float:
        area = _area(threshold + noise) - _area(threshold - noise)
        return area / (2 * noise) - accuracy

    return brentq(excess, -10, 10)


def _area(x: float) -> float:
    """The integral of the normal distribution function up to x."""
    return float(x * ndtr(x) + math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))
