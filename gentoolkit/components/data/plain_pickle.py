"""A reader of Python pickles that runs nothing: plain values and NumPy arrays of bytes come out, anything else is refused.

A pickle is a program for a machine with a stack. `pickle.Unpickler` with a restricted `find_class` calls no foreign function,
but still lets a small file ask for terabytes (memo numbers, shapes) or for years (hashes of nested tuples). This machine knows
the instructions that a data set needs, makes an array only out of bytes that are there, and takes only text and bytes as keys.
"""

from __future__ import annotations

import pickletools
from typing import Any

import numpy as np
from attrs import define, frozen

MOST = 2**19
"""Instructions of a pickle."""
MARK = object()


class RefusedError(Exception):
    """A pickle that holds more than plain values and arrays of bytes; the text goes on after its name."""


@frozen
class Name:
    """A global that a pickle asks for."""

    module: str
    name: str


@define
class Type:
    """numpy.dtype of a code; what is set later (byte order) means nothing for bytes."""

    code: str


@define
class Array:
    """numpy.ndarray whose shape and bytes come later."""

    value: Any = None


ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
KNOWN = {
    *((m, "_reconstruct") for m in ARRAY_MODULES),
    *((m, "_frombuffer") for m in BUFFER_MODULES),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
    *("SHORT_BINSTRING", "BINSTRING", "STRING", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"),
}
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_plain(content: bytes) -> Any:
    """The value of a pickle. Text of Python 2 comes as bytes.

    Raises:
        RefusedError: it asks for a foreign name or uses an instruction that plain values do not need.
        Exception: it is damaged; nearly any kind.
    """
    machine = Machine(room=len(content))
    for number, (code, argument, _) in enumerate(pickletools.genops(content)):
        if number > MOST:
            raise RefusedError(f"has more than {MOST} instructions")
        if code.name == "STOP":
            return plain(machine.stack.pop())
        machine.do(code.name, argument)
    raise ValueError("it ends without a value")


class Machine:
    """A stack, the marks in it, and what was put aside by number."""

    def __init__(self, room: int) -> None:
        self.room = room
        """Bytes that may still be copied; a pickle needs each of its own once."""
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """One instruction."""
        stack = self.stack
        if name in VALUES:
            stack.append(argument.encode("latin-1") if name in ("SHORT_BINSTRING", "BINSTRING", "STRING") else argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            stack.append(MARK)
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(stack[-TUPLES[name] :])]
        elif name in ("TUPLE", "LIST", "DICT"):
            made = self.since_mark()
            stack.append(tuple(made) if name == "TUPLE" else made if name == "LIST" else entries({}, made))
        elif name in ("APPEND", "APPENDS"):
            made = [stack.pop()] if name == "APPEND" else self.since_mark()
            one(stack[-1], list).extend(made)
        elif name in ("SETITEM", "SETITEMS"):
            made = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self.since_mark()
            entries(one(stack[-1], dict), made)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(known(*(argument.split(" ", 1) if name == "GLOBAL" else [stack.pop(-2), stack.pop()])))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(self.called(one(function, Name), one(arguments, tuple)))
        elif name == "BUILD":
            state = stack.pop()
            self.built(stack[-1], one(state, tuple))
        elif name not in ("PROTO", "FRAME"):
            raise RefusedError(f"uses the instruction {name}, which plain values do not need")

    def since_mark(self) -> list[Any]:
        """What lies above the last mark, taken off with it."""
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        made = self.stack[at + 1 :]
        del self.stack[at:]
        return made

    def called(self, function: Name, arguments: tuple[Any, ...]) -> Any:
        """What one of the known functions gives, without calling it."""
        if function.name == "dtype":
            return Type(text(arguments[0]))
        if function.name == "_reconstruct":
            return Array()
        if function.name == "encode":
            return self.copied(one(arguments[0], str)).encode("latin-1")
        if function.name == "_frombuffer":
            buffer, kind, shape = arguments[:3]
            return Array(self.shaped(buffer, kind, shape, fortran=len(arguments) > 3 and arguments[3] == "F"))
        raise ValueError(f"{function.name} was called")

    def built(self, target: Any, state: tuple[Any, ...]) -> None:
        """Give an array its shape and bytes; a type's state says nothing about bytes."""
        if isinstance(target, Array):
            _, shape, kind, fortran, buffer = state
            target.value = self.shaped(buffer, kind, shape, bool(fortran))
        elif not isinstance(target, Type):
            raise ValueError("something else than an array has a state")

    def shaped(self, buffer: Any, kind: Any, shape: Any, fortran: bool) -> Any:
        """Bytes as an array of uint8 of a shape; as many as there are."""
        if one(kind, Type).code not in ("u1", "|u1", "uint8", "B"):
            raise RefusedError(f"has an array of kind {kind.code}, not of bytes")
        whole = np.frombuffer(one(buffer, (bytes, bytearray)), np.uint8)
        return whole.reshape([one(n, int) for n in one(shape, tuple)], order="F" if fortran else "C")

    def copied(self, value: Any) -> Any:
        """The value, of which a copy is about to be made."""
        self.room -= len(value)
        if self.room < 0:
            raise RefusedError("wants to become more than it is")
        return value


def one(value: Any, kind: type | tuple[type, ...]) -> Any:
    """The value, which must be of a kind."""
    if not isinstance(value, kind):
        raise ValueError(f"a value of kind {kind} was expected, not {type(value).__name__}")
    return value


def entries(table: dict[Any, Any], made: list[Any]) -> dict[Any, Any]:
    """Put alternating keys and values into a table."""
    for key, value in zip(made[::2], made[1::2], strict=True):
        if not isinstance(key, bytes | str | int):
            raise RefusedError(f"has a key of kind {type(key).__name__}")
        table[key] = value
    return table


def known(module: Any, name: Any) -> Name:
    """A global, if an array of bytes needs it."""
    if (module, name) not in KNOWN:
        raise RefusedError(f"asks for {module!s:.60}.{name!s:.60}, which plain arrays do not need; it may be an attack")
    return Name(module, name)


def text(value: Any) -> str:
    """A short text, of Python 2 or 3."""
    if len(value) > 16:
        raise ValueError("a type has a long name")
    return str(value, "latin-1") if isinstance(value, bytes) else str(one(value, str))


def plain(value: Any) -> Any:
    """The value with its arrays in place of what stood for them, in its first two levels."""
    if isinstance(value, dict):
        return {k: v.value if isinstance(v, Array) else v for k, v in value.items()}
    return value.value if isinstance(value, Array) else value
