"""Raw files of AV-MNIST and prepared stand-in data, generated once."""

from tests.datasets.conftest import raw, shared_raw, stand_in_of

__all__ = ["raw", "shared_raw", "stand_in_of"]
