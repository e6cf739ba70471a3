"""Reads a pickle as data: arrays, numbers, texts, lists, tuples and dicts, and nothing else.

It is Python's own unpickler in its Python form, with a short list of instructions and of names.
The form in C allows no such lists: it reserves whatever memory a memo index or a length claims, and
it hashes any key, which for a nested tuple may never end. Here every other instruction and name is
refused before it acts.

The names stand for functions of this file, never for numpy's own. Numpy trusts the state in a
pickle, so a forged type could make it read memory that is not its own. An array is made of bytes
that the file holds, never from a shape alone, and the values made of the same bytes again and
again are counted: memory is bounded by the size of the file.
"""

from __future__ import annotations

import math
import mmap
import pickle
import pickletools
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from datasets.errors import DataError
from datasets.raw.content import check_file, unreadable

PLAIN = (str, bytes, int, float, bool)
_DAMAGE = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(MemoryError, RecursionError, EOFError, struct.error, pickle.UnpicklingError),
)
_INSTRUCTIONS = (
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1",
    "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "PUT", "BINPUT",
    "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL",
    "REDUCE", "BUILD",
)  # fmt: skip
_NUMBERS_AND_TEXTS = re.compile(r"b1|[iu][1248]|f[248]|O8?|[SU][1-9]\d{0,5}")
# Numpy's own pickles need at most eight: an object array takes that for a truth value of one byte.
_BYTES_PER_BYTE, _SPARE_BYTES = 16, 1 << 20


def unpickle(path: Path) -> Any:
    """The value stored in a pickle of protocol 0 to 5.

    Raises DataError naming what is refused or damaged.
    """
    check_file(path, {"a pickle"})
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _Unpickler(content).load()
    except DataError as error:
        raise DataError(f"{path} is refused: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except _DAMAGE as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is not a complete pickle of numpy arrays: {what}") from error


@dataclass(frozen=True)
class _Function:
    """What stands for a name that a pickle may mention."""

    call: Callable[..., Any]


@dataclass(eq=False)
class _Unfinished:
    """A value that still lacks its state. `value` is set when the state comes."""

    finish: Callable[..., Any]
    value: Any = None


class _Memo(dict[int, Any]):
    """The values that a pickle recalls. One that was unfinished when stored comes back finished."""

    def __getitem__(self, key: int) -> Any:
        found = super().__getitem__(key)
        return found.value if isinstance(found, _Unfinished) and found.value is not None else found


class _Instructions(dict[int, Callable[..., None]]):
    """The allowed instructions by opcode."""

    def __missing__(self, code: int) -> Callable[..., None]:
        known = [opcode.name for opcode in pickletools.opcodes if ord(opcode.code) == code]
        name = known[0] if known else code
        raise DataError(f"instruction {name}; arrays and containers need none")


class _Unpickler(pickle._Unpickler):
    """The unpickler with `dispatch` cut down to harmless instructions."""

    # Of pickle's own unpickler in Python, which has no types.
    stack: list[Any]
    read: Callable[[int], bytes]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, content: mmap.mmap) -> None:
        super().__init__(content)
        self.memo = _Memo()
        self.budget = _BYTES_PER_BYTE * len(content) + _SPARE_BYTES

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise DataError(f"it names {f'{module}.{name}'[:100]!r}, which arrays do not need")
        return _NAMES[module, name]

    def made(self, value: Any) -> Any:
        """The value, counted."""
        self.budget -= sys.getsizeof(value) + getattr(value, "nbytes", 0)
        if self.budget < 0:
            raise DataError(
                "it builds values from the same bytes repeatedly; arrays need them once"
            )
        return value

    def load_reduce(self) -> None:
        function, arguments = self.stack[-2:]
        if not isinstance(function, _Function):
            raise DataError(f"it calls a {type(function).__name__}")
        self.stack[-2:] = [self.made(function.call(*arguments))]

    def load_build(self) -> None:
        unfinished, state = self.stack[-2:]
        if not isinstance(unfinished, _Unfinished):
            raise DataError(f"it sets the state of a {type(unfinished).__name__}")
        unfinished.value = self.made(unfinished.finish(*state))
        self.stack[-2:] = [unfinished.value]

    def load_bytearray8(self) -> None:
        (size,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(size)))  # not made before it is read: the file may be short

    def load_append(self) -> None:
        self.extend([self.stack.pop()])

    def load_appends(self) -> None:
        self.extend(self.pop_mark())

    def extend(self, values: list[Any]) -> None:
        """Adds values to the topmost list."""
        if not isinstance(self.stack[-1], list):
            raise DataError("it adds elements to something other than a list")
        self.stack[-1].extend(values)

    def load_setitem(self) -> None:
        values = self.stack[-2:]
        del self.stack[-2:]
        self.update(values)

    def load_setitems(self) -> None:
        self.update(self.pop_mark())

    def load_dict(self) -> None:
        values = self.pop_mark()
        self.append({})
        self.update(values)

    def update(self, values: list[Any]) -> None:
        """Adds keys and values, in turn, to the topmost dict."""
        if not isinstance(self.stack[-1], dict):
            raise DataError("it adds keys to something other than a dict")
        if wrong := [key for key in values[::2] if type(key) not in (str, int)]:
            raise DataError(f"a dict key is a {type(wrong[0]).__name__}; need texts or numbers")
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    dispatch = _Instructions()


for _name in _INSTRUCTIONS:
    _code = ord(next(o.code for o in pickletools.opcodes if o.name == _name))
    _handler = pickle._Unpickler.dispatch[_code].__name__
    _Unpickler.dispatch[_code] = getattr(_Unpickler, _handler)


def _array_of(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """The array of this shape with the elements `content`: bytes, or a list of plain values.

    Bytes are not copied. Raises DataError unless the content has exactly the size of the shape.
    """
    if not isinstance(dtype, np.dtype) or order not in ("C", "F"):
        raise DataError(f"an array has dtype {short(dtype)} and order {short(order)}")
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(map(_is_size, shape)):
        raise DataError(f"an array has the shape {short(shape)}")
    holds_objects = dtype.kind == "O"
    if not isinstance(content, list if holds_objects else bytes | bytearray):
        raise DataError(f"the content of a {dtype} array is a {type(content).__name__}")
    needed = math.prod(shape) * (1 if holds_objects else dtype.itemsize)
    if len(content) != needed:
        unit = "elements" if holds_objects else "bytes"
        raise DataError(f"an array {short(shape)} has {len(content)} {unit} instead of {needed}")
    if not holds_objects:
        return np.ndarray(shape, dtype, content, order=order)  # type: ignore[arg-type]
    if wrong := [value for value in content if type(value) not in PLAIN]:
        raise DataError(f"an array of objects holds a {type(wrong[0]).__name__}; need plain values")
    flat = np.empty(needed, object)
    flat[:] = content
    return flat.reshape(shape, order=order)


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 0


def _dtype(text: Any, *_: Any) -> _Unfinished:
    if not isinstance(text, str) or not _NUMBERS_AND_TEXTS.fullmatch(text):
        raise DataError(f"an array has dtype {short(text)}; need numbers or texts")

    def finish(version: Any, byte_order: Any, *structure: Any) -> np.dtype:
        if byte_order not in ("<", ">", "|", "="):
            raise DataError(f"a dtype has byte order {short(byte_order)}")
        if structure[:3] != (None, None, None):
            raise DataError("a dtype has fields; need numbers or texts")
        return np.dtype(text).newbyteorder(byte_order)

    return _Unfinished(finish)


def _reconstruct(kind: Any, *_: Any) -> _Unfinished:
    """Begins an array; the shape given here is numpy's placeholder and is not used."""
    if kind is not _NDARRAY:
        raise DataError("an array is of another class than numpy.ndarray")

    def finish(version: Any, shape: Any, dtype: Any, is_fortran: Any, content: Any) -> np.ndarray:
        return _array_of(content, dtype, shape, "F" if is_fortran else "C")

    return _Unfinished(finish)


def _frombuffer(
    content: Any, dtype: Any, shape: Any, order: Any, axis_order: Any = None
) -> np.ndarray:
    if axis_order is not None:
        raise DataError("an array has its axes in another order")
    return _array_of(content, dtype, shape, order)


def _scalar(dtype: Any, content: Any) -> Any:
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        raise DataError("a numpy scalar has dtype object")
    return _array_of(content, dtype, (1,), "C").item()


def _encode(text: Any, encoding: Any) -> bytes:
    """How bytes are stored before protocol 3."""
    if not isinstance(text, str) or encoding != "latin1":
        raise DataError(f"a {type(text).__name__} is encoded as {short(encoding)}, not latin1")
    return text.encode("latin1")


def _no_bytes(*parts: Any) -> bytes:
    """How empty bytes are stored before protocol 3."""
    if parts:
        raise DataError("it calls bytes with arguments")
    return b""


def _no_call(*_: Any) -> None:
    raise DataError("it calls numpy.ndarray directly")


_NDARRAY = _Function(_no_call)
_NAMES = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_dtype),
    ("_codecs", "encode"): _Function(_encode),
    ("__builtin__", "bytes"): _Function(_no_bytes),
}
for _core in ("numpy.core", "numpy._core"):  # numpy 2 renamed its inner package
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _Function(_reconstruct)
    _NAMES[f"{_core}.multiarray", "scalar"] = _Function(_scalar)
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _Function(_frombuffer)
