"""What a pickled array is made of, rebuilt with checks and without numpy's own unpickling code."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from reprlib import repr as short
from typing import Any

import numpy as np

from datasets.errors import DataError

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
