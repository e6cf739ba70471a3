"""The datasets, in the order of the tables' columns."""

from __future__ import annotations

from datasets.ave import Ave
from datasets.avmnist import AvMnist
from datasets.cremad import Cremad
from datasets.errors import unknown
from datasets.loader import Loader
from datasets.urfunny import UrFunny

LOADERS: dict[str, Loader] = {
    loader.spec.name: loader for loader in (AvMnist(), Cremad(), UrFunny(), Ave())
}


def loader_of(name: str) -> Loader:
    """The loader of a dataset; raises DataError for a mistyped name."""
    if name not in LOADERS:
        raise unknown("dataset", name, LOADERS)
    return LOADERS[name]
