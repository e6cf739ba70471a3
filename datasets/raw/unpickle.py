"""Reads a pickle as data: arrays, numbers, texts, lists, tuples and dicts, and nothing else.

Python's own unpickler calls what a file tells it to call. Here `pickletools` only takes the file
apart, and a machine of a few instructions rebuilds values from it. The few names that a file may
mention stand for functions of `unpickle_numpy`; every other name and instruction is refused. Memory
is bounded by the file: an array is made of bytes that the file holds, never from a shape alone, and
what a file has made of the same bytes again and again is counted.
"""

from __future__ import annotations

import math
import mmap
import pickletools
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from datasets.errors import DataError

DAMAGE = (ValueError, LookupError, TypeError, ArithmeticError, MemoryError, RecursionError)
LITERALS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
    | {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
# Numpy's own pickles need at most eight: an object array takes that for a truth value of one byte.
BYTES_PER_BYTE, SPARE_BYTES = 16, 1 << 20


def unpickle(path: Path) -> Any:
    """The value stored in a pickle of protocol 0 to 5.

    Raises DataError naming what is refused or damaged.
    """
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            budget = BYTES_PER_BYTE * len(content) + SPARE_BYTES
            return _Machine(budget).run(pickletools.genops(content))
    except DataError as error:
        raise DataError(f"{path} is refused: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except DAMAGE as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is no complete pickle of numpy arrays: {what}") from error


class _Machine:
    """The pickle instructions that values are made of; `stack` is the part above the last mark.

    What builders make may take `budget` bytes in all.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, instructions: Iterable[tuple[pickletools.OpcodeInfo, Any, Any]]) -> Any:
        """The one value that the instructions leave."""
        for opcode, argument, _ in instructions:
            if opcode.name in LITERALS:
                self.push(argument)
            elif opcode.name in CONSTANTS:
                self.push(CONSTANTS[opcode.name]())
            elif opcode.name in ACTIONS:
                ACTIONS[opcode.name](self, argument)
            elif opcode.name not in IGNORED:
                raise DataError(f"instruction {opcode.name}; arrays and containers need none")
        return self.stack.pop()

    def mark(self) -> None:
        """Opens a new part of the stack."""
        self.below.append(self.stack)
        self.stack = []

    def push(self, value: Any) -> None:
        """Puts a value on the stack."""
        self.stack.append(value)

    def push_made(self, value: Any) -> None:
        """Puts what a builder has made on the stack, and counts its bytes."""
        self.budget -= sys.getsizeof(value) + getattr(value, "nbytes", 0)
        if self.budget < 0:
            raise DataError("it makes the same bytes into values again and again; arrays need once")
        self.push(value)

    def since_mark(self) -> list[Any]:
        """Closes the part above the last mark and gives its values."""
        values, self.stack = self.stack, self.below.pop()
        return values

    def last(self, count: int) -> list[Any]:
        """Takes the `count` topmost values off the stack."""
        if len(self.stack) < count:
            raise ValueError("an instruction finds too few values")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def put(self, key: int) -> None:
        """Remembers the topmost value."""
        value = self.stack[-1]
        self.memo[key] = value
        if isinstance(value, Unfinished):
            value.keys.append(key)

    def get(self, key: int) -> None:
        """Recalls a value."""
        if key not in self.memo:
            raise ValueError(f"value {key} was never stored")
        self.push(self.memo[key])

    def extend(self, values: list[Any]) -> None:
        """Adds values to the topmost list."""
        if not isinstance(self.stack[-1], list):
            raise DataError("it adds elements to something that is no list")
        self.stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        """Adds keys and values, in turn, to the topmost dict."""
        if not isinstance(self.stack[-1], dict):
            raise DataError("it adds keys to something that is no dict")
        # Texts and numbers only: the hash of a nested tuple may take for ever.
        if wrong := [k for k in values[::2] if type(k) not in (str, int)]:
            raise DataError(f"a dict key is a {type(wrong[0]).__name__}; need texts or numbers")
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def new_dict(self, values: list[Any]) -> None:
        """Puts a dict of keys and values, in turn, on the stack."""
        self.push({})
        self.update(values)

    def name(self, module: str, name: str) -> None:
        """Looks a name up among the known ones."""
        if (module, name) not in BUILDERS:
            raise DataError(f"it names {f'{module}.{name}'[:100]!r}, which arrays do not need")
        self.push(BUILDERS[module, name])

    def reduce(self) -> None:
        """Begins or makes a value from its parts."""
        builder, parts = self.last(2)
        if not isinstance(builder, Builder):
            raise DataError(f"it calls a {type(builder).__name__}")
        self.push_made(builder.build(*parts))

    def finish(self) -> None:
        """Completes a value, everywhere it is remembered."""
        unfinished, state = self.last(2)
        if not isinstance(unfinished, Unfinished):
            raise DataError(f"it sets the state of a {type(unfinished).__name__}")
        value = unfinished.finish(*state)
        self.memo.update(dict.fromkeys(unfinished.keys, value))
        unfinished.keys.clear()
        self.push_made(value)


Action = Callable[[_Machine, Any], None]
ACTIONS: dict[str, Action] = {
    "MARK": lambda m, _: m.mark(),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.last(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.last(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.last(3))),
    "DICT": lambda m, _: m.new_dict(m.since_mark()),
    "APPEND": lambda m, _: m.extend(m.last(1)),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "SETITEM": lambda m, _: m.update(m.last(2)),
    "SETITEMS": lambda m, _: m.update(m.since_mark()),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": lambda m, names: m.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(*map(str, m.last(2))),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.finish(),
}

PLAIN = (str, bytes, int, float, bool)
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|O8?|[SU][1-9]\d{0,5}")


@dataclass(frozen=True)
class Builder:
    """A name that a pickle may mention, and what stands for it here."""

    build: Callable[..., Any]


@dataclass(eq=False)
class Unfinished:
    """A value of which the second half, its state, is still to come; remembered under `keys`."""

    finish: Callable[..., Any]
    keys: list[int] = field(default_factory=list)


def array_of(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """The array of this shape whose elements are `content`: bytes, or a list of plain values.

    Bytes are not copied. Raises DataError unless the content has exactly the size of the shape.
    """
    if not isinstance(dtype, np.dtype) or order not in ("C", "F"):
        raise DataError(f"an array has dtype {short(dtype)} and order {short(order)}")
    if not isinstance(shape, tuple) or len(shape) > 8 or not all(map(_is_size, shape)):
        raise DataError(f"an array has the shape {short(shape)}")
    is_list = dtype.kind == "O"
    if not isinstance(content, list if is_list else bytes | bytearray):
        raise DataError(f"the content of a {dtype} array is a {type(content).__name__}")
    needed = math.prod(shape) * (1 if is_list else dtype.itemsize)
    if len(content) != needed:
        unit = "elements" if is_list else "bytes"
        raise DataError(f"an array {short(shape)} has {len(content)} {unit} instead of {needed}")
    flat = _objects(content) if is_list else np.ndarray(needed // dtype.itemsize, dtype, content)
    return flat.reshape(shape, order=order)


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 0


def _objects(content: list[Any]) -> np.ndarray:
    if wrong := [value for value in content if type(value) not in PLAIN]:
        raise DataError(f"an array of objects holds a {type(wrong[0]).__name__}; need plain values")
    flat = np.empty(len(content), object)
    flat[:] = content
    return flat


def _dtype(text: Any, *_: Any) -> Unfinished:
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise DataError(f"an array has dtype {short(text)}; need numbers or texts")

    def finish(version: Any, byte_order: Any, *structure: Any) -> np.dtype:
        if byte_order not in ("<", ">", "|", "="):
            raise DataError(f"a dtype has byte order {short(byte_order)}")
        if structure[:3] != (None, None, None):
            raise DataError("a dtype has fields; need numbers or texts")
        return np.dtype(text).newbyteorder(byte_order)

    return Unfinished(finish)


def _reconstruct(kind: Any, *_: Any) -> Unfinished:
    """Begins an array; the shape given here is numpy's placeholder and is not used."""
    if kind is not _NDARRAY:
        raise DataError("an array is of a class of its own")
    return Unfinished(_filled)


def _filled(version: Any, shape: Any, dtype: Any, is_fortran: Any, content: Any) -> np.ndarray:
    return array_of(content, dtype, shape, "F" if is_fortran else "C")


def _frombuffer(
    content: Any, dtype: Any, shape: Any, order: Any, axis_order: Any = None
) -> np.ndarray:
    if axis_order is not None:
        raise DataError("an array has its axes in an order of its own")
    return array_of(content, dtype, shape, order)


def _scalar(dtype: Any, content: Any) -> Any:
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        raise DataError("a numpy scalar is an object")
    return array_of(content, dtype, (1,), "C").item()


def _encode(text: Any, encoding: Any) -> bytes:
    """How bytes are stored before protocol 3."""
    if not isinstance(text, str) or encoding != "latin1":
        raise DataError(f"a {type(text).__name__} is encoded as {short(encoding)}, not latin1")
    return text.encode("latin1")


def _no_bytes(*parts: Any) -> bytes:
    """How empty bytes are stored before protocol 3."""
    if parts:
        raise DataError("it calls bytes")
    return b""


def _no_call(*_: Any) -> None:
    raise DataError("it calls numpy.ndarray")


_NDARRAY = Builder(_no_call)
# numpy 2 renamed its inner package.
_INNER = {
    ("multiarray", "_reconstruct"): Builder(_reconstruct),
    ("multiarray", "scalar"): Builder(_scalar),
    ("numeric", "_frombuffer"): Builder(_frombuffer),
}
BUILDERS = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Builder(_dtype),
    ("_codecs", "encode"): Builder(_encode),
    ("__builtin__", "bytes"): Builder(_no_bytes),
    **{
        (f"numpy.{core}.{module}", name): builder
        for core in ("core", "_core")
        for (module, name), builder in _INNER.items()
    },
}
"""(module, name) -> what stands for it."""
