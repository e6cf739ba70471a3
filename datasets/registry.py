"""Every verb on a dataset, by name.

A dataset is a folder of this package with a `loader.py`. Torch is imported only by `load`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datasets.errors import DataError, unknown
from datasets.loader import Loader, PrepareReport
from datasets.spec import NO_CONSENT, DatasetSpec, FetchOptions, Progress, SplitSize, silent
from datasets.tensors.label_noise import noisy_fingerprint, taken_from, with_label_noise

if TYPE_CHECKING:
    from datasets.audit.findings import Finding
    from datasets.tensors.dataset import Dataset


def _found() -> dict[str, Loader]:
    """The loader of every dataset by name; ValueError for a folder whose loader does not fit."""
    loaders = {}
    for path in sorted(Path(__file__).parent.glob("*/loader.py")):
        name = path.parent.name
        module = import_module(f"datasets.{name}.loader")
        classes = [c for c in vars(module).values() if isinstance(c, type)]
        own = [c for c in classes if issubclass(c, Loader) and c.__module__ == module.__name__]
        if len(own) != 1:
            raise ValueError(f"{path} defines {len(own)} subclasses of Loader; need exactly one")
        if own[0].spec.name != name:
            raise ValueError(f"{path} has the spec of {own[0].spec.name!r}; need {name!r}")
        loaders[name] = own[0]()
    return loaders


LOADERS = _found()


def loader_of(name: str) -> Loader:
    """The loader of a dataset; raises DataError for a mistyped name."""
    if name not in LOADERS:
        raise unknown("dataset", name, LOADERS)
    return LOADERS[name]


def spec(name: str, stand_in: bool = False) -> DatasetSpec:
    """Shapes and classes of a dataset or its stand-in, whether or not it is prepared."""
    return loader_of(name).spec_of(stand_in)


def protocols(name: str) -> tuple[str, ...]:
    """The ways to split a dataset, the default first."""
    return loader_of(name).options["protocol"]


def load(name: str, folder: Path, options: Mapping[str, Any] | None = None) -> Dataset:
    """Loads a prepared folder, every file verified; raises DataError with what to type.

    Every dataset has the option `label_noise`, see `label_noise`, beside those of its loader.
    """
    percent, others = taken_from(options or {})
    return with_label_noise(loader_of(name).load(Path(folder), others), percent)


def prepare(
    name: str,
    raw: Sequence[Path],
    folder: Path,
    *,
    progress: Progress = silent,
    force: bool = False,
    fetching: FetchOptions = NO_CONSENT,
) -> PrepareReport:
    """Prepares a dataset from `raw` files, folders or archives.

    What is missing is downloaded first, if the dataset knows how and `fetching` allows it.
    Downloads go to `<data>/raw/<name>`, where `folder` is `<data>/prepared/<name>`. The folder
    appears complete or not at all; one that is complete already stays, unless `force`. Raises
    DataError.
    """
    places = [Path(place) for place in raw]
    loader = loader_of(name)
    return loader.prepare(places, Path(folder), progress=progress, force=force, fetching=fetching)


def generate_stand_in(
    name: str, folder: Path, seed: int = 0, *, progress: Progress = silent
) -> PrepareReport:
    """Prepares small generated data in the dataset's own raw formats; raises DataError."""
    return loader_of(name).generate_stand_in(Path(folder), seed, progress=progress)


def audit(name: str, raw: Sequence[Path], prepared: Path) -> list[Finding]:
    """Everything that can be found in the `raw` files and the `prepared` folder.

    Either may be missing. Raises DataError for an unknown dataset or a damaged file.
    """
    return loader_of(name).audit(raw, prepared)


def split_sizes(name: str, folder: Path, options: Mapping[str, Any]) -> dict[str, SplitSize]:
    """The size of `train`, `val` and `test`, in this order, as loading with these options gives.

    Raises DataError if the folder is not prepared or its manifest lacks what is needed.
    """
    loader, others = loader_of(name), taken_from(options)[1]
    folder = loader.stored_in(folder, others)
    manifest = loader.manifest(folder)
    complete = loader.with_defaults(others, manifest)
    try:
        return loader.split_sizes(folder, manifest, complete)
    except KeyError as error:
        remedy = loader.remedy(manifest.stand_in) + " --force" * (not manifest.stand_in)
        problem = f"the manifest of {folder} does not say how many samples there are (no {error})"
        raise DataError(f"{problem}; {remedy}") from error


@dataclass(frozen=True)
class PreparedState:
    """Whether a folder can be loaded.

    `fingerprint` identifies the data with the options asked for; None unless prepared.
    """

    state: Literal["prepared", "missing", "damaged"]
    fingerprint: str | None
    stand_in: bool
    detail: str


def prepared_state(
    name: str, folder: Path, options: Mapping[str, Any] | None = None
) -> PreparedState:
    """Whether `folder` can be loaded; raises DataError for a wrong name or option only."""
    loader = loader_of(name)
    percent, others = taken_from(options or {})
    folder = loader.stored_in(Path(folder), others)
    if not folder.exists():
        return PreparedState("missing", None, False, f"no {folder}; {loader.remedy()}")
    try:
        manifest = loader.manifest(folder)
    except DataError as error:
        return PreparedState("damaged", None, False, str(error))
    problems = manifest.file_problems(folder)
    if problems:
        detail = f"{folder}: {'; '.join(problems)}; {loader.remedy(manifest.stand_in)}"
        return PreparedState("damaged", None, manifest.stand_in, detail)
    identity = noisy_fingerprint(loader.fingerprint(manifest, others), percent)
    kind = "stand-in data" if manifest.stand_in else "the published data"
    sizes = (manifest.total_bytes(), loader.device_bytes(manifest, others))
    on_disk, on_device = (f"{size / 1e6:,.1f} MB" for size in sizes)
    detail = f"{kind}, {on_disk} on disk, {on_device} on the device, made {manifest.created}"
    return PreparedState("prepared", identity, manifest.stand_in, detail)


def fingerprint(name: str, folder: Path, options: Mapping[str, Any]) -> str:
    """The `Dataset.fingerprint` that loading would give; raises DataError if not prepared."""
    state = prepared_state(name, folder, options)
    if state.fingerprint is None:
        raise DataError(state.detail)
    return state.fingerprint
