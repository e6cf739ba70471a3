"""Reads a pickle as data: arrays, numbers, texts, lists, tuples and dicts, and nothing else.

Python's own unpickler calls what a file tells it to call. Here `pickletools` only takes the file
apart, and a machine of a few instructions rebuilds values from it. The few names that a file may
mention stand for functions of `unpickle_numpy`; every other name and instruction is refused. Memory
is bounded by the file: an array is made of bytes that the file holds, never from a shape alone, and
what a file has made of the same bytes again and again is counted.
"""

from __future__ import annotations

import mmap
import pickletools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from datasets.unpickle_numpy import BUILDERS, Builder, Unfinished

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
