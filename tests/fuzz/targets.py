"""Every reader of files that come from elsewhere, each with a small good file."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import yaml

from benchmarks.configs.load import CONFIGS, load_config
from benchmarks.plan.experiment import Experiment
from benchmarks.records.predictions import Predictions
from benchmarks.records.record import RunRecord, sealed
from benchmarks.report.tables.paper import FOLDER, load_paper
from benchmarks.studies.sharpness.sharpness_files import (
    BlockCurvature,
    Curvature,
    CurvatureSettings,
    Surface,
    SurfaceSettings,
    file_stem,
)
from datasets.ave.raw import read_annotations
from datasets.avmnist.recordings import read_recordings
from datasets.cremad import raw as lists
from datasets.cremad.spec import LABELS
from datasets.raw import idx, wav
from datasets.raw.content import read_content
from datasets.raw.flv import missing_bytes, read_frame
from datasets.raw.hdf5 import read_chunks
from datasets.raw.unpickle import unpickle
from datasets.store.manifest import ArrayEntry, Manifest, digest_of, read_manifest
from tests.datasets.avmnist.test_recordings import write_tar, write_zip
from tests.fuzz.verdict import Target

EXPERIMENT = Experiment(
    "avmnist", "late", "msam", 0, 2, 64, "small_cnn", params={"rho": 0.1}, data={"stand_in": False}
)
METRICS = {"acc_mm": 0.5, "acc_audio": 0.25, "loss_mm": 1.5}
RECORD = RunRecord(
    EXPERIMENT.run_id,
    EXPERIMENT,
    "done",
    history=tuple(
        {"epoch": n, "lr": 0.1, "train": {}, "val": METRICS, "test": METRICS} for n in (1, 2)
    ),
    data={"stand_in": False, "fingerprint": "f", "sizes": {"test": 4}, "segments": 1},
    environment={"torch": "2.11.0"},
    timing={"epoch_seconds": [1.0, 1.0]},
    code={"method": "m"},
)
CLIP = wav.pack_wav(np.arange(-40, 40, dtype=np.int16), 8000)
FRAMES = 30  # so that two are kept


def targets() -> list[Target]:
    """All of them; the files are made anew, in a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp())
    try:
        return [*_configs(), *_results(folder), *_images_and_sounds(folder), *_lists(), *_large()]
    finally:
        shutil.rmtree(folder)


def _configs() -> list[Target]:
    found = []
    for path in sorted(CONFIGS.glob("*.yaml")):
        content = path.read_bytes()
        about = {"named": "the configuration is wrong", "read": _config}
        found.append(Target(f"config {path.stem}", path.name, content, **about))
        tree = {"tree": yaml.safe_load(content), "pack": lambda t: yaml.safe_dump(t).encode()}
        found.append(Target(f"config {path.stem} values", path.name, content, **tree, **about))
    return found


def _config(path: Path) -> object:
    """The shipped configuration with this one file instead."""
    folder = path.parent / "configs"
    folder.mkdir(exist_ok=True)
    for each in CONFIGS.glob("*.yaml"):
        shutil.copy(each, folder)
    shutil.copy(path, folder)
    return load_config(folder)


def _results(folder: Path) -> list[Target]:
    RECORD.save(folder / "record.json")
    values = json.loads((folder / "record.json").read_text())
    name, load = f"{RECORD.run_id}.json", RunRecord.load
    manifest = Manifest("avmnist", "2026", True, {"a": 1}, {}, {}, "f", {"x": ArrayEntry(1, "d")})
    envelope = json.loads(manifest.to_json())
    fields = {k: v for k, v in envelope.items() if k not in ("format", "sha256")}
    read = {"read": lambda path: read_manifest(path.parent)}
    whole = manifest.to_json().encode()
    return [
        *_measured(folder),
        Target("record", name, sealed(values), load),
        Target("record values", name, sealed(values), load, values, _seal),
        Target("manifest", "manifest.json", whole, **read),
        Target("manifest values", "manifest.json", whole, tree=fields, pack=_envelope, **read),
        Target("paper", "table1.csv", (FOLDER / "table1.csv").read_bytes(), _paper),
        _predictions("predictions", np.savez),
        _predictions("predictions packed", np.savez_compressed),
        replace(_predictions("predictions inside", np.savez), tree=_array(), pack=_npz),
    ]


def _measured(folder: Path) -> list[Target]:
    """Curvature and loss surface; files of other settings have other names, so these are fixed."""
    block = BlockCurvature(3, 0.1, 1.0, 0.0, True, 4, 2.0, 0.1, 0.5)
    curvature = Curvature(RECORD.run_id, CurvatureSettings(), 4, 0.5, 0.5, {"all": block})
    surface = Surface(RECORD.run_id, SurfaceSettings(grid=3), {(0.0, 0.0): (0.5, 0.25)})
    found = []
    for name, what in (("curvature", curvature), ("surface", surface)):
        file = f"{file_stem(RECORD.run_id, what.settings)}.txt"
        what.save(folder / file)
        found.append(Target(name, file, (folder / file).read_bytes(), type(what).load))
    values, pack = json.loads(found[0].content), lambda t: json.dumps(t).encode()
    return [*found, replace(found[0], name="curvature values", tree=values, pack=pack)]


def _seal(values: object) -> bytes:
    return sealed(values) if isinstance(values, dict) else json.dumps(values).encode()


def _envelope(fields: object) -> bytes:
    """A manifest whose checksum fits, so that the reader looks at the values."""
    if not isinstance(fields, dict):
        return json.dumps(fields).encode()
    return json.dumps({"format": 1, "sha256": digest_of(fields), **fields}).encode()


def _paper(path: Path) -> object:
    return load_paper("table1", path.parent)


def _predictions(name: str, save: object) -> Target:
    arrays = {"labels": np.array([0, 1, 2, 3], np.int16)}
    arrays |= dict.fromkeys(("epoch1_mm", "epoch2_mm"), np.array([0, 1, 0, 0], np.int16))
    arrays |= dict.fromkeys(("epoch1_audio", "epoch2_audio"), np.zeros(4, np.int16))
    buffer = io.BytesIO()
    save(buffer, **arrays)

    def read(path: Path) -> object:
        return Predictions(path.parent).correct(RECORD, 1, "mm")

    return Target(name, f"{RECORD.run_id}.npz", buffer.getvalue(), read, named=RECORD.run_id)


def _array(classes: Sequence[int] = (0, 1, 0, 0)) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(classes, np.int16))
    return buffer.getvalue()


def _npz(array: bytes) -> bytes:
    """Predictions of which one array is damaged, in an archive that is not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("labels.npy", _array([0, 1, 2, 3]))
        archive.writestr("epoch1_mm.npy", array)
        archive.writestr("epoch2_mm.npy", _array())
        for epoch in (1, 2):
            archive.writestr(f"epoch{epoch}_audio.npy", _array([0, 0, 0, 0]))
    return buffer.getvalue()


def _odd_tar() -> bytes:
    """A tar archive with long names, extended headers, links and a sparse file's headers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for number, kind in enumerate((tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE)):
            member = tarfile.TarInfo(f"{'x' * 120}/recordings/{number}_theo_3.wav")
            member.type, member.linkname, member.mtime = kind, "0_theo_3.wav", 0.5
            member.size = len(CLIP) if kind == tarfile.REGTYPE else 0
            member.pax_headers = {"GNU.sparse.name": f"recordings/{number}_theo_4.wav"}
            archive.addfile(member, io.BytesIO(CLIP))
    return buffer.getvalue()


def _summed(tar: bytes) -> bytes:
    """A tar archive whose headers have right checksums, so that the reader believes them."""
    content = bytearray(tar)
    for start in range(0, len(content) - 511, 512):
        if content[start + 257 : start + 262] == b"ustar":
            content[start + 148 : start + 156] = b" " * 8
            total = sum(content[start : start + 512])
            content[start + 148 : start + 156] = b"%06o\0 " % total
    return bytes(content)


def _images_and_sounds(folder: Path) -> list[Target]:
    from datasets.cremad.stand_in import write_video

    images = idx.pack_idx(np.arange(32, dtype=np.uint8).reshape(2, 4, 4))
    members = {f"fsdd/recordings/{d}_theo_3.wav": CLIP for d in range(3)}
    packed = write_tar(folder / "x.tgz", members).read_bytes()
    odd = _odd_tar()
    planes = np.zeros((FRAMES, 48, 32), np.uint8)
    write_video(folder / "x.flv", planes, np.zeros(12000, np.int16))
    return [
        Target("idx", "x-idx3", images, _idx),
        Target("idx packed", "x-idx3.gz", gzip.compress(images, mtime=0), _idx),
        Target("wav", "x.wav", CLIP, lambda p: wav.parse_wav(p.read_bytes(), 8000, p.name)),
        Target("tar packed", "x.tgz", packed, _recordings),
        Target("tar", "x.tar", gzip.decompress(packed), _recordings),
        Target("tar inside", "x.tar", odd, _recordings, odd, _summed),
        Target("zip", "x.zip", write_zip(folder / "x.zip", members).read_bytes(), _recordings),
        Target("video", "x.flv", (folder / "x.flv").read_bytes(), _video),
    ]


def _idx(path: Path) -> object:
    return idx.parse_idx(read_content(path, 10_000), 3, path.name)


def _recordings(path: Path) -> object:
    return read_recordings(path, lambda clip: True)


def _video(path: Path) -> object:
    missing_bytes(path.read_bytes())
    return read_frame(path.read_bytes(), path.name)


def _lists() -> list[Target]:
    clips = "".join(f"100{n}_DFA_{label}_XX,{label}\r\n" for n, label in enumerate(LABELS))
    sums = "clip,wav_bytes,wav_sha256,flv_bytes,flv_sha256\n1001_DFA_ANG_XX,7,ab,8,cd\n"
    annotations = b"Category&id&q&s&e\nDog&a1&good&0&10\nCat&b2&good&3&5\n"
    labels = "\r\n".join(LABELS).encode("utf-8-sig")
    pointers = lists.read_pointers
    return [
        Target("split lists", "train.csv", clips.encode(), _split_lists),
        Target("label list", "stat.csv", labels, lists.check_label_list),
        Target("official sums", "sums.csv", sums.encode(), pointers),
        Target("official sums packed", "sums.csv.gz", gzip.compress(sums.encode()), pointers),
        Target("annotations", "Annotations.txt", annotations, read_annotations),
    ]


def _split_lists(path: Path) -> object:
    test = path.with_name("test.csv")
    test.write_text("1091_MTI_SAD_XX,SAD\n")
    return lists.read_split_lists({"train": path, "test": test})


def _large() -> list[Target]:
    values = {"train": {"labels": np.arange(6.0), "text": np.array(["a", "b"], object)}}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("avadataset", data=np.ones((4, 3)), chunks=(2, 3), compression="gzip")
    return [
        *(
            Target(f"pickle {n}", "x.pkl", pickle.dumps({**values, "n": [1, 2.5]}, n), unpickle)
            for n in (0, 2, 4)
        ),
        Target("hdf5", "x.h5", buffer.getvalue(), _hdf5),
    ]


def _hdf5(path: Path) -> object:
    return list(read_chunks(path, "avadataset", (4, 3), np.arange(4)))
