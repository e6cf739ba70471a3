"""A pickle is read as data: arrays come back, and nothing that a file asks for is ever called."""

from __future__ import annotations

import collections
import copyreg
import functools
import io
import os
import pickle
import pickletools
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from datasets.errors import DataError
from datasets.raw.unpickle import unpickle

RANDOM = np.random.RandomState(0)
ARRAYS = {
    "float32": RANDOM.standard_normal((3, 4, 5)).astype(np.float32),
    "big endian": RANDOM.standard_normal(3).astype(">f8"),
    "columns first": np.asfortranarray(RANDOM.standard_normal((3, 4))),
    "every second": RANDOM.standard_normal((6, 4))[::2],
    "empty": np.zeros((0, 5)),
    "bool": np.array([True, False]),
    "texts": np.array(["ab", "çd"]),
    "bytes": np.array([b"x", b"yz"]),
    "objects": np.array([["talk", 1, 2.5]], dtype=object),
}
PLAIN = {
    "list": ["a" * 300, 10**30, -5, 2.5, None],
    "tuple": (1, 2, 3, (True,)),
    "bytes": b"\0\xff",
}


def written(folder: Path, content: bytes) -> Path:
    (folder / "x.pkl").write_bytes(content)
    return folder / "x.pkl"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_in_every_protocol(tmp_path: Path, name: str, protocol: int) -> None:
    path = written(tmp_path, pickle.dumps({"x": ARRAYS[name]}, protocol))
    found, expected = unpickle(path)["x"], ARRAYS[name]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    value = {**PLAIN, 7: {}, "scalar": np.float32(2.5), "index": np.int64(-3)}
    assert unpickle(written(tmp_path, pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", range(6))
def test_an_array_named_twice_is_one_array(tmp_path: Path, protocol: int) -> None:
    array = ARRAYS["float32"]
    first, second = unpickle(written(tmp_path, pickle.dumps([array, array], protocol)))
    assert first is second and np.array_equal(first, array)


def test_the_inner_package_of_either_numpy_is_known(tmp_path: Path) -> None:
    new = pickle.dumps(ARRAYS["float32"], 2)
    old = new.replace(b"numpy._core.", b"numpy.core.")
    assert old != new
    assert np.array_equal(unpickle(written(tmp_path, old)), ARRAYS["float32"])


class Calls:
    """Pickles into a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def by_name(module: str, name: str, *arguments: Any) -> bytes:
    """A pickle that calls a function, whether or not it exists here."""
    packed = pickle.dumps(arguments, 2)[2:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + packed + b"R."


TOUCH = f"{Path(__file__).parent / 'never_made'}"
HOSTILE = {
    "os.system": (pickle.dumps(Calls(os.system, f"touch {TOUCH}")), "'posix.system'"),
    "eval": (pickle.dumps(Calls(eval, f"open({TOUCH!r}, 'w')")), "'builtins.eval'"),
    "partial": (pickle.dumps(functools.partial(os.mkdir, TOUCH)), "'functools.partial'"),
    "in a dict": (pickle.dumps({"train": [Calls(os.mkdir, TOUCH)]}), "'posix.mkdir'"),
    "in an object array": (
        pickle.dumps(np.array([Calls(os.mkdir, TOUCH), 1], dtype=object)),
        "'posix.mkdir'",
    ),
    "numpy.load": (by_name("numpy", "load", "x.npy"), "'numpy.load'"),
    "numpy loadtxt": (by_name("numpy", "loadtxt", "/etc/passwd"), "'numpy.loadtxt'"),
    "numpy exec": (by_name("numpy.testing._private.utils", "runstring", "1", {}), "runstring"),
    "numpy f2py": (by_name("numpy.f2py.diagnose", "run_command", "id"), "run_command"),
    "memmap": (by_name("numpy", "memmap", "/etc/passwd"), "'numpy.memmap'"),
    "chain": (
        pickle.dumps(Calls(np.array, Calls(np.fromfile, "/etc/passwd"))),
        "'numpy",
    ),
    "attribute": (by_name("numpy", "ndarray.tofile", b"x"), "'numpy.ndarray.tofile'"),
    "ndarray called": (by_name("numpy", "ndarray", (10**12,)), "calls numpy.ndarray"),
    "bytes called": (by_name("__builtin__", "bytes", 10**12), "calls bytes"),
    "codec": (by_name("_codecs", "encode", "x", "zlib"), "encoded as 'zlib', not latin1"),
    "class": (pickle.dumps(Path("x")), "'pathlib.PosixPath'"),
    "ordered dict": (pickle.dumps(collections.OrderedDict(a=1)), "'collections.OrderedDict'"),
    "subclass": (pickle.dumps(np.ma.array([1.0])), "'numpy.ma"),
    "data frame": (pickle.dumps(pd.DataFrame({"a": [1]})), "'pandas"),
    "set": (pickle.dumps({1, 2}), "instruction EMPTY_SET"),
    "persistent": (b"\x80\x04\x8c\x01xQ.", "instruction BINPERSID"),
    "persistent text": (b"Pfile\n.", "instruction PERSID"),
    "extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "instance": (b"(S'id'\nios\nsystem\n.", "instruction STRING"),
    "inst": (b"(ios\nsystem\n.", "instruction INST"),
    "object": (b"(cos\nsystem\no.", "'os.system'"),
    "new object": (b"\x80\x02cnumpy\nndarray\n)\x81.", "instruction NEWOBJ"),
    "buffer": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
    "data called": (b"]K\x01\x85R.", "it calls a list"),
    "data built": (b"]}b.", "it sets the state of a list"),
    "list of no list": (b"}K\x01a.", "other than a list"),
    "dict of no dict": (b"]K\x01K\x02s.", "other than a dict"),
    "tuple as key": (pickle.dumps({(1,): 2}), "a dict key is a tuple"),
    "fields": (pickle.dumps(np.zeros(2, [("a", "f4")])), "dtype 'V4'"),
    "dates": (pickle.dumps(np.zeros(2, "M8[s]")), "dtype 'M8'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_array_is_refused_by_name_and_never_called(tmp_path: Path, name: str) -> None:
    content, text = HOSTILE[name]
    with pytest.raises(DataError) as caught:
        unpickle(written(tmp_path, content))
    assert text in str(caught.value) and "x.pkl is refused" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path(TOUCH).exists()


def test_a_registered_extension_is_refused_too(tmp_path: Path) -> None:
    copyreg.add_extension("posix", "mkdir", 0xF0)
    try:
        with pytest.raises(DataError, match="instruction EXT1"):
            unpickle(written(tmp_path, pickle.dumps(Calls(os.mkdir, TOUCH), 2)))
    finally:
        copyreg.remove_extension("posix", "mkdir", 0xF0)
    assert not Path(TOUCH).exists()


def test_a_torch_file_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({"x": torch.ones(2)}, stream)
    with pytest.raises(DataError, match=r"x\.pkl is a zip archive"):
        unpickle(written(tmp_path, stream.getvalue()))


class Claims:
    """Pickles into an array of six numbers that claims another shape."""

    def __init__(self, shape: tuple) -> None:
        self.shape = shape

    def __reduce__(self) -> tuple:
        function, arguments, state = np.zeros(6, np.float32).__reduce__()
        return function, arguments, (state[0], self.shape, *state[2:])


@pytest.mark.parametrize(
    "shape",
    [(10**12,), (10**12, 10**12), (7,), (5,), (-6,), (2.0, 3), (True, 6), (0, 10**30), (1,) * 40],
)
def test_a_shape_never_asks_for_more_memory_than_the_file_has(tmp_path: Path, shape: tuple) -> None:
    with pytest.raises(DataError):
        unpickle(written(tmp_path, pickle.dumps(Claims(shape))))


def test_an_array_may_have_any_shape_of_its_size(tmp_path: Path) -> None:
    assert unpickle(written(tmp_path, pickle.dumps(Claims((2, 3))))).shape == (2, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x04B" + struct.pack("<I", (1 << 32) - 1) + b"x.",
        b"\x80\x04\x8d" + struct.pack("<Q", (1 << 64) - 1) + b"x.",
        b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"x.",
    ],
)
def test_a_length_beyond_the_end_is_damage(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="not a complete pickle"):
        unpickle(written(tmp_path, content))


def test_a_far_memory_cell_costs_nothing(tmp_path: Path) -> None:
    content = b"\x80\x02Nr" + struct.pack("<I", (1 << 32) - 1) + b"."
    assert unpickle(written(tmp_path, content)) is None


@pytest.mark.parametrize("inner", [b"]" * 300_000 + b"a" * 299_999, b")" + b"\x85" * 300_000])
def test_deep_nesting_is_harmless(tmp_path: Path, inner: bytes) -> None:
    value = unpickle(written(tmp_path, b"\x80\x02" + inner + b"."))
    assert isinstance(value, list | tuple)
    named = b"\x80\x04" + inner + inner + b"\x93."  # as module and name of a function
    with pytest.raises(DataError, match="requires str"):
        unpickle(written(tmp_path, named))


def test_a_truncated_file_is_named_wherever_it_ends(tmp_path: Path) -> None:
    content = pickle.dumps({"a": ARRAYS["float32"], "b": PLAIN}, 4)
    for end in range(len(content)):
        with pytest.raises(DataError, match=r"x\.pkl is (refused|not a complete pickle|empty)"):
            unpickle(written(tmp_path, content[:end]))


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_any_changed_byte_gives_a_value_or_one_clear_line(tmp_path: Path) -> None:
    content = pickle.dumps({"a": ARRAYS["texts"], "b": PLAIN, "c": np.float64(1)}, 2)
    for place in range(len(content)):
        for change in (0x01, 0x80, 0x2E):
            broken = content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
            try:
                unpickle(written(tmp_path, broken))
            except DataError as error:
                assert "\n" not in str(error)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pkl", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            unpickle(path)


def test_a_nested_pickle_of_few_bytes_is_refused_at_once(tmp_path) -> None:
    nested: object = ()
    for _ in range(60):  # written out, 2 ** 60 pairs of brackets
        nested = (nested, nested)
    path = tmp_path / "nested.pkl"
    np_array = np.arange(2)
    content = pickle.dumps([np_array.__reduce__()[0], nested], protocol=4)
    path.write_bytes(content[:-2] + b"\x86R.")
    with pytest.raises(DataError):
        unpickle(path)


def text(value: str) -> bytes:
    """The instruction that pushes a text."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def copies(count: int, prologue: bytes, once: bytes) -> bytes:
    """A list that ends with a list of `count` values, each made by the same instructions."""
    return b"\x80\x02](" + prologue + b"(" + once * count + b"le."


MANY = 8_000
# What the prologue leaves behind are elements of the outer list.
RECONSTRUCT = (
    b"cnumpy._core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nK\x00\x85C\x01b\x87q\x01"
)
OBJECTS = b"cnumpy\ndtype\n" + text("O8") + b"\x89\x88\x87R(K\x03" + text("|") + b"NNNJ%sJ%sK?tb"
OBJECTS = OBJECTS.replace(b"%s", b"\xff\xff\xff\xff")
WIDE = (
    b"cnumpy\ndtype\n"
    + text("U5000")
    + b"\x89\x88\x87R(K\x03"
    + text("<")
    + b"NNNK\x00K\x00K\x08tb"
)
AGAIN = {
    "bytes of a text": (
        b"c_codecs\nencode\nq\x00" + text("x" * 60_000) + text("latin1") + b"\x86q\x01",
        b"h\x00h\x01R",
    ),
    "arrays of objects": (
        RECONSTRUCT + b"(K\x01J" + struct.pack("<i", MANY) + b"\x85" + OBJECTS
        + b"\x89](" + b"K\x01" * MANY + b"etq\x02",
        b"h\x00h\x01Rh\x02b",
    ),
    "texts of an array": (
        b"cnumpy._core.multiarray\nscalar\nq\x00" + WIDE + b"B" + struct.pack("<I", 20_000)
        + "x".encode("utf-32-le") * 5_000 + b"\x86q\x01",
        b"h\x00h\x01R",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGAIN)
def test_the_same_bytes_are_not_made_into_values_again_and_again(tmp_path: Path, name: str) -> None:
    """Memory would be quadratic in the size of the file."""
    path = written(tmp_path, copies(MANY, *AGAIN[name]))
    assert path.stat().st_size < 125_000
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"x\.pkl is refused: .* repeatedly") as caught:
            unpickle(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", AGAIN)
def test_made_a_few_times_they_come_back(tmp_path: Path, name: str) -> None:
    assert len(unpickle(written(tmp_path, copies(3, *AGAIN[name])))[-1]) == 3


LARGE = {
    "numbers": RANDOM.standard_normal((500, 1000)).astype(np.float32),
    "truth values": np.array([True, False] * 150_000, dtype=object),
    "their scalars": np.array([np.True_] * 100_000 + [np.int8(1)] * 100_000, dtype=object),
    "texts": np.array([f"{n}" for n in range(100_000)]),
    "empty": [np.zeros(0) for _ in range(20_000)],
}


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("name", LARGE)
def test_a_large_genuine_array_comes_back(tmp_path: Path, name: str, protocol: int) -> None:
    content = pickletools.optimize(pickle.dumps(LARGE[name], protocol))
    found = unpickle(written(tmp_path, content))
    assert all(map(np.array_equal, found, LARGE[name]))


def test_a_value_finished_again_and_again_takes_no_time(tmp_path: Path) -> None:
    """Each time it would be remembered again in all the cells that held it unfinished."""
    memo, builds = 30_000, 8_000
    state = b"(K\x03" + text("<") + b"NNNK\x00K\x00K\x08lr" + struct.pack("<I", 1 << 20)
    begun = b"cnumpy\ndtype\n" + text("f4") + b"\x85R" + b"\x94" * memo
    pushed = (b"h\x05j" + struct.pack("<I", 1 << 20)) * builds
    content = b"\x80\x02" + state + begun + pushed + b"ba" * (builds - 1) + b"b."
    started = time.process_time()
    unpickle(written(tmp_path, content))
    assert time.process_time() - started < 5
