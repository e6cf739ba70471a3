"""No file from elsewhere can run code, write outside its place, or ask for any amount of memory."""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import os
import pickle
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks.configs.load import read_mapping
from benchmarks.records.predictions import Predictions
from benchmarks.training.checkpoint import load_checkpoint, load_weights, save_checkpoint
from datasets.avmnist.recordings import read_recordings
from datasets.errors import DataError
from tests import syntax
from tests.fuzz.targets import RECORD
from tests.syntax import PACKAGES, sources, where
from tests.tiny import tiny_model

FORBIDDEN_MODULES = {"shelve", "marshal", "dill", "joblib", "cloudpickle"}
PICKLE_READERS = {"load", "loads", "Unpickler"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
UNPACKERS = {"extractall", "extract", "unpack_archive"}


def _keyword(call: ast.Call, name: str) -> str:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), "")


def dangers(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every import and call that could run what a file says, or write where it says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, a.name) for a in node.names if a.name in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module in FORBIDDEN_MODULES or (
                node.module == "pickle" and names & PICKLE_READERS
            ):
                yield node, str(node.module)
        elif isinstance(node, ast.Call):
            yield from ((node, why) for why in [_call_danger(node)] if why)


def _call_danger(call: ast.Call) -> str:
    name = ast.unparse(call.func)
    owner, _, last = name.rpartition(".")
    wrong = {
        "pickle": owner in ("pickle", "pickletools") and last in PICKLE_READERS,
        "torch": name == "torch.load" and _keyword(call, "weights_only") != "True",
        "numpy": name in ("np.load", "numpy.load") and _keyword(call, "allow_pickle") != "False",
        "yaml": owner == "yaml" and last in ("unsafe_load", "full_load", "load_all", "Loader"),
        "loader": name == "yaml.load" and _keyword(call, "Loader") not in ("_UniqueKeys",),
        "builtin": name in FORBIDDEN_CALLS,
        "shell": name in ("os.system", "os.popen") or _keyword(call, "shell") == "True",
        "archive": last in UNPACKERS,
    }
    return name if any(wrong.values()) else ""


@pytest.mark.parametrize("package", PACKAGES)
def test_no_code_reads_files_in_a_way_that_could_run_them(package: str) -> None:
    found = [
        f"{where(path, node)}: {what}"
        for path in sources(package)
        for node, what in dangers(syntax.tree(path))
    ]
    assert not found, "\n  ".join(["forbidden:", *found])


@pytest.mark.parametrize(
    "code",
    [
        "import shelve", "from marshal import loads", "from pickle import loads",
        "pickle.load(f)", "pickle.loads(b)", "pickle.Unpickler(f)", "torch.load(p)",
        "torch.load(p, weights_only=False)", "np.load(p)", "np.load(p, allow_pickle=True)",
        "yaml.unsafe_load(t)", "yaml.load(t, Loader=yaml.Loader)", "yaml.load(t)", "eval(t)",
        "exec(t)", "os.system(t)", "subprocess.run(t, shell=True)", "tar.extractall(p)",
    ],
)  # fmt: skip
def test_what_is_forbidden_is_noticed(code: str) -> None:
    assert list(dangers(ast.parse(code)))


def test_the_yaml_loader_is_the_safe_one() -> None:
    from benchmarks.configs.load import _UniqueKeys

    assert issubclass(_UniqueKeys, yaml.SafeLoader)


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.victim),)


def test_hostile_weights_with_a_right_checksum_do_nothing(tmp_path: Path) -> None:
    victim, path = tmp_path / "owned", tmp_path / "weights.pt"
    pickle.loads(pickle.dumps(Hostile(victim)))  # it would work
    victim.rmdir()
    save_checkpoint(path, {"model": Hostile(victim)})
    with pytest.raises(ValueError, match=r"weights\.pt"):
        load_weights(path, tiny_model())
    with pytest.raises(pickle.UnpicklingError):
        load_checkpoint(path)
    assert not victim.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_pickle_with_a_right_checksum_does_nothing(tmp_path: Path) -> None:
    victim, path = tmp_path / "owned", tmp_path / "checkpoint.pt"
    payload = pickle.dumps(Hostile(victim))
    path.write_bytes(hashlib.sha256(payload).digest() + payload)
    with pytest.raises((pickle.UnpicklingError, ValueError, RuntimeError)):
        load_checkpoint(path)
    assert not victim.exists()


def test_pickled_predictions_are_not_opened(tmp_path: Path) -> None:
    victim = tmp_path / "owned"
    labels = np.empty(1, object)
    labels[0] = Hostile(victim)
    np.savez(tmp_path / f"{RECORD.run_id}.npz", labels=labels)
    with pytest.raises(ValueError, match="damaged"):
        Predictions(tmp_path).labels(RECORD)
    assert not victim.exists()


def peak_bytes(act: Callable[[], object]) -> int:
    """The most memory that Python and numpy held while it ran."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(read: Callable[[], object], *words: str) -> Callable[[], None]:
    """An action that must end in a ValueError with these words."""

    def act() -> None:
        with pytest.raises(ValueError) as caught:
            read()
        assert all(word in str(caught.value) for word in words), caught.value

    return act


def test_predictions_that_unpack_to_gigabytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{RECORD.run_id}.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("labels.npy", "w") as member,
    ):
        header = io.BytesIO()
        about = {"descr": "<i2", "fortran_order": False, "shape": (1 << 26,)}
        np.lib.format.write_array_header_1_0(header, about)
        member.write(header.getvalue())
        for _ in range(128):
            member.write(bytes(1 << 20))
    read = refused(lambda: Predictions(tmp_path).labels(RECORD), "has more than")
    assert peak_bytes(read) < 1 << 24


LAUGHS = "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'lol'}]\n" for n in range(12)
)
MERGES = "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" if n else "a0: &a0 {k: v}\n"
    for n in range(12)
)


@pytest.mark.parametrize("text", [LAUGHS, MERGES, "&a [*a]: 1\n", "a: &a [*a]\n"])
def test_yaml_that_refers_to_itself_or_grows_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    read = refused(lambda: read_mapping(tmp_path / "x.yaml"), "x.yaml", "write it out")
    assert peak_bytes(read) < 1 << 24


@pytest.mark.parametrize(
    "text", ["a: 2001-99-99", f"a: {'9' * 5000}", "a: !!bool x", "a: !!int ''", "a: !!timestamp x"]
)
def test_yaml_that_is_no_value_of_its_kind_names_the_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    refused(lambda: read_mapping(tmp_path / "x.yaml"), "x.yaml cannot be read")()


NAMES = (
    *(
        "../recordings/0_theo_3.wav",
        "../../x/recordings/1_theo_3.wav",
        "HERE/recordings/2_theo_3.wav",
    ),
    *("a/../../recordings/3_theo_3.wav", "recordings/../../4_theo_3.wav", "C:\\recordings\\x.wav"),
)
KINDS = {
    "symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE,
    "disk": tarfile.BLKTYPE, "pipe": tarfile.FIFOTYPE, "folder": tarfile.DIRTYPE,
}  # fmt: skip


def everything(place: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder below, with type and content."""
    return {
        str(path): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in place.rglob("*")
    }


def write_hostile(path: Path, kind: str, outside: Path) -> None:
    """An archive whose members would escape, each name as a file and as something else."""
    names = [name.replace("HERE", str(outside)) for name in NAMES]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"owned")
                link = zipfile.ZipInfo(name.replace("theo", "link").replace("x.wav", "y.wav"))
                link.external_attr = 0o120777 << 16
                archive.writestr(link, "/etc/passwd")
        return
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 5
            archive.addfile(member, io.BytesIO(b"owned"))
            other = tarfile.TarInfo(name.replace("theo", "link"))
            other.type, other.linkname = KINDS[kind], "../../../../../../etc/passwd"
            archive.addfile(other)


@pytest.mark.parametrize("file", ["x.tar.gz", "x.zip"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_member_of_an_archive_reaches_the_disk(
    file: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    write_hostile(inside / file, kind, tmp_path)
    before = everything(tmp_path)
    found = read_recordings(inside / file, lambda clip: True)
    assert everything(tmp_path) == before
    assert all(content == b"owned" for clip, content in found.items() if clip.speaker == "theo")
    assert not any(b"root:" in content for content in found.values())
    if file.endswith("gz"):
        assert {clip.speaker for clip in found} == {"theo"}


def _tar_header(name: bytes, kind: bytes, size: bytes) -> bytes:
    block = bytearray(512)
    block[: len(name)], block[124 : 124 + len(size)], block[156:157] = name, size, kind
    block[257:263], block[263:265], block[148:156] = b"ustar\0", b"00", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_of_a_tar_that_unpacks_to_gigabytes_is_refused(
    kind: bytes, tmp_path: Path
) -> None:
    size = 1 << 26
    with gzip.open(tmp_path / "x.tgz", "wb") as stream:
        stream.write(_tar_header(b"x", kind, b"%011o" % size))
        for _ in range(size >> 20):
            stream.write(bytes(1 << 20))
    read = refused(lambda: read_recordings(tmp_path / "x.tgz", lambda c: True), "x.tgz", "claims")
    assert peak_bytes(read) < 1 << 24


def test_a_member_of_any_claimed_size_is_refused(tmp_path: Path) -> None:
    header = _tar_header(b"recordings/0_theo_3.wav", b"0", b"%011o" % ((1 << 32) - 1))
    (tmp_path / "x.tar").write_bytes(header + bytes(1024))
    refused(lambda: read_recordings(tmp_path / "x.tar", lambda c: True), "too large")()


def test_a_negative_size_ends(tmp_path: Path) -> None:
    """A tar that points back into itself would be read for ever."""
    negative = (-512 & (1 << 96) - 1).to_bytes(12, "big")
    content = _tar_header(b"recordings/0_theo_3.wav", b"0", b"\xff" + negative[1:])
    first = _tar_header(b"x", b"0", b"0")
    (tmp_path / "x.tar").write_bytes(first + content + bytes(1024))
    with pytest.raises(DataError, match=r"x\.tar is damaged .* has -512 bytes"):
        read_recordings(tmp_path / "x.tar", lambda clip: True)


def test_a_zip_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("recordings/0_theo_3.wav", "w") as member,
    ):
        for _ in range(128):
            member.write(bytes(1 << 20))
    read = refused(lambda: read_recordings(tmp_path / "x.zip", lambda c: True), "0_theo_3.wav")
    assert peak_bytes(read) < 1 << 24


def test_checkpoints_hold_tensors_that_the_safe_reader_takes(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "x.pt", {"model": tiny_model().state_dict(), "code": {"a": "b"}})
    assert torch.is_tensor(next(iter(load_checkpoint(tmp_path / "x.pt")["model"].values())))
