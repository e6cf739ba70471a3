"""What systems, editors and browsers leave in folders stops nothing and counts for nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.records.code import code_of
from benchmarks.records.record import load_records
from datasets import registry
from datasets.store.system import is_litter, listed, original_name
from tests.datasets.ave.files import prepare, write_raw

LITTER = [
    *("._agm.py", ".DS_Store", "__MACOSX", "Icon\r", ".Spotlight-V100"),
    *("Thumbs.db", "ehthumbs.db", "desktop.ini", "humor.pkl:Zone.Identifier"),
    *(".nfs0000000000a1b2c300000001", ".fuse_hidden0000001a00000001", "@eaDir", ".directory"),
    *("agm.py~", "#agm.py#", ".#agm.py", ".agm.py.swp", ".ipynb_checkpoints"),
    *("agm (1).py", "agm(2).py", "agm copy.py", "agm - Copy (3).py", "Copy of agm.py"),
]
OURS = ["agm.py", "v1.0.10", "msam-s0-1f.json", "manifest.json", "a (2021).json", "copy.npy"]


@pytest.mark.parametrize("name", LITTER)
def test_litter_is_known_by_its_name(name: str) -> None:
    assert is_litter(name)


@pytest.mark.parametrize("name", OURS)
def test_files_of_people_are_no_litter(name: str) -> None:
    assert not is_litter(name) and original_name(name) == name


@pytest.mark.parametrize(
    "name", ["a (1).tar.gz", "a.tar (1).gz", "a(12).tar.gz", "a copy 2.tar.gz", "Copy of a.tar.gz"]
)
def test_a_copy_tells_the_name_of_its_original(name: str) -> None:
    assert original_name(name) == "a.tar.gz"


def scattered(folder: Path, of: str = "agm.py") -> None:
    """Litter of every kind in a folder, most of it named after a file."""
    for name in LITTER:
        place = folder / name.replace("agm.py", of)
        if not place.exists():
            place.write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")


def test_a_folder_is_listed_without_litter(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("")
    (tmp_path / "a.py").write_text("")
    scattered(tmp_path, "a.py")
    assert [path.name for path in listed(tmp_path, "*")] == ["a.py", "b.py"]


def test_litter_in_the_raw_and_in_the_prepared_folder_changes_nothing(tmp_path: Path) -> None:
    raw, folder = write_raw(tmp_path / "raw"), tmp_path / "data" / "ave"
    before = prepare(raw, folder).manifest
    for place in (raw, folder):
        scattered(place)
    for name in ("Annotations.txt", "audio_feature.h5"):
        (raw / f"._{name}").write_bytes(b"\x00\x05\x16\x07")
    (raw / "__MACOSX" / "ave").parent.unlink(missing_ok=True)
    shutil.copytree(raw, raw / "__MACOSX")  # an archive packed on a Mac holds such a twin
    again = prepare(raw, folder, force=True)
    assert again.fresh and again.manifest.arrays == before.arrays
    assert {path.suffix for path in folder.iterdir()} == {".npy", ".json"}


def test_litter_beside_the_code_changes_no_digest(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for package in ("msam", "baselines", "datasets", "benchmarks"):
        shutil.copytree(root / package, tmp_path / package, ignore=lambda *_: ["__pycache__"])
    scattered(tmp_path / "baselines")
    scattered(tmp_path / "benchmarks" / "models", "cnn.py")
    assert code_of("agm", "avmnist", tmp_path) == code_of("agm", "avmnist")


def test_litter_beside_records_is_no_damaged_record(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    record = next(iter(sorted((root / "results").glob("*/runs/*.json"))))
    shutil.copy(record, tmp_path)
    scattered(tmp_path, record.name)
    shutil.copy(record, tmp_path / f"{record.stem} (1).json")
    records, left_out = load_records(tmp_path)
    assert [each.run_id for each in records] == [record.stem] and not left_out


def test_stand_in_data_is_generated_again_beside_litter(tmp_path: Path) -> None:
    folder = tmp_path / "stand-in" / "avmnist"
    registry.generate_stand_in("avmnist", folder)
    scattered(folder)
    (folder / "manifest.json").unlink()
    assert registry.generate_stand_in("avmnist", folder).fresh
