"""What every dataset keeps, whichever folders there are: on its stand-in data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from datasets import registry
from datasets.errors import DataError
from datasets.registry import LOADERS
from datasets.store.manifest import FILE, read_manifest

StandIn = Callable[[str], Path]
EACH = pytest.mark.parametrize("name", LOADERS)
VALUES = [
    pytest.param(name, {key: value}, id=f"{name}-{key}-{value}")
    for name, loader in LOADERS.items()
    for key, values in loader.options.items()
    for value in values
]


@EACH
def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(
    stand_in_of: StandIn, tmp_path: Path, name: str
) -> None:
    first = read_manifest(stand_in_of(name))
    folder = tmp_path / name
    assert registry.generate_stand_in(name, folder).fresh
    again = read_manifest(folder)
    assert (again.fingerprint, again.arrays) == (first.fingerprint, first.arrays)
    report = registry.generate_stand_in(name, folder)
    assert not report.fresh and report.notes
    assert registry.generate_stand_in(name, folder, seed=1).fresh
    other = read_manifest(folder)
    assert other.fingerprint != first.fingerprint
    assert any(other.arrays[array] != entry for array, entry in first.arrays.items())


@EACH
def test_stand_in_data_is_marked_and_has_the_announced_shapes(
    stand_in_of: StandIn, name: str
) -> None:
    data, state = (
        registry.load(name, stand_in_of(name)),
        registry.prepared_state(name, stand_in_of(name)),
    )
    assert data.stand_in and state.stand_in and "stand-in" in state.detail
    assert data.spec == registry.spec(name, stand_in=True)
    assert data.spec.modalities == registry.spec(name).modalities


@EACH
def test_real_data_is_never_replaced_by_stand_in_data(
    stand_in_of: StandIn, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(stand_in_of(name), tmp_path / name))
    real = replace(read_manifest(folder), stand_in=False)
    (folder / FILE).write_text(real.to_json())
    with pytest.raises(DataError, match="holds real data"):
        registry.generate_stand_in(name, folder, seed=2)
    assert read_manifest(folder) == real


@pytest.mark.parametrize(("name", "options"), VALUES)
def test_fingerprint_and_sizes_are_known_without_loading(
    stand_in_of: StandIn, name: str, options: dict[str, str]
) -> None:
    folder = stand_in_of(name)
    data = registry.load(name, folder, options)
    assert registry.fingerprint(name, folder, options) == data.fingerprint
    sizes = registry.split_sizes(name, folder, options)
    assert list(sizes) == ["train", "val", "test"]
    for split, size in sizes.items():
        assert size.samples == len(getattr(data, split))
    chosen_on_test = options.get("protocol") == "published"
    assert (data.val.labels.tolist() == data.test.labels.tolist()) == chosen_on_test


@EACH
def test_every_value_of_every_option_gives_other_data(stand_in_of: StandIn, name: str) -> None:
    options = LOADERS[name].options
    others = [{key: value} for key, values in options.items() for value in values[1:]]
    found = {registry.fingerprint(name, stand_in_of(name), o) for o in [{}, *others]}
    assert len(found) == len(others) + 1
    defaults = {key: values[0] for key, values in options.items()}
    assert registry.fingerprint(name, stand_in_of(name), defaults) in found


@EACH
def test_wrong_options_are_named_with_the_nearest(stand_in_of: StandIn, name: str) -> None:
    for options, text in (
        ({"protocl": "published"}, f"option of {name} 'protocl'; did you mean 'protocol'"),
        ({"protocol": "publish"}, "unknown protocol 'publish'; did you mean 'published'"),
    ):
        for use in (registry.load, registry.fingerprint):
            with pytest.raises(DataError, match=text):
                use(name, stand_in_of(name), options)


@EACH
def test_a_missing_folder_says_what_to_type(tmp_path: Path, name: str) -> None:
    state = registry.prepared_state(name, tmp_path / "none")
    assert (state.state, state.stand_in) == ("missing", False)
    assert f"./reproduce.sh data prepare {name}" in state.detail
    with pytest.raises(DataError, match=rf"\./reproduce\.sh data prepare {name}"):
        registry.load(name, tmp_path / "none")


@EACH
def test_a_changed_byte_is_found_on_loading_and_named(
    stand_in_of: StandIn, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(stand_in_of(name), tmp_path / name))
    path = next(path for path in sorted(folder.glob("*labels*.npy")))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    assert registry.prepared_state(name, folder).state == "prepared"
    with pytest.raises(DataError, match=rf"{path.name} is damaged.*delete the folder"):
        registry.load(name, folder)
    assert registry.generate_stand_in(name, folder).fresh  # which repairs it
    registry.load(name, folder)
