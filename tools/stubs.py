"""Writes python/dlcore/_core.pyi, the types of the compiled module, from the module itself.

    python tools/stubs.py            prints the text
    python tools/stubs.py --write    writes it into this source tree

Ops know their signatures (`_core._stubs()`), pybind11's functions state theirs in their docstrings, methods written in
Python are inspected. What none of them says, the types of properties and of special methods, stands in tables below.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

from dlcore import _core

HEAD = """\
# Written by tools/stubs.py from the module itself: run it again rather than edit this.
# mypy: disable-error-code="misc, override, overload-overlap, overload-cannot-match"
import builtins
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias, overload

import numpy

Number: TypeAlias = builtins.bool | builtins.int | builtins.float
"""

# Names that Tensor or the module use for something else, so that an annotation must say which one it means.
QUALIFIED = {name: f"builtins.{name}" for name in ("bool", "float", "int", "str", "type", "tuple", "list", "dict")}
QUALIFIED |= {
    "dtype": "_dtype",
    "device": "_device",
    "object": "Any",
    "handle": "Any",
    "numpy.ndarray": "numpy.ndarray[Any, Any]",
}

GENERIC = {"dict": "[builtins.str, Any]", "list": "[Any]"}

PROPERTIES = {
    "bool": "is_cpu is_cuda is_floating_point is_complex is_leaf is_signed is_sparse requires_grad retains_grad",
    "int": "_version index itemsize nbytes ndim",
    "str": "name",
    "dtype": "dtype",
    "device": "device",
    "Size": "shape",
    "Tensor": "H T data mH mT real",
    "Tensor | None": "_base grad",
}
PROPERTY_TYPE = {name: kind for kind, names in PROPERTIES.items() for name in names.split()}
WRITABLE = {"data", "grad", "requires_grad"}

# What functions return that pybind11 only knows to be an object.
RESULTS = {"Tensor": "as_tensor from_dlpack from_numpy tensor", "dtype": "get_default_dtype"}
RESULT = {name: kind for kind, names in RESULTS.items() for name in names.split()}

COMPARISONS = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}
SPECIAL = {
    "(self) -> int": "__len__ __int__ __index__ __hash__",
    "(self) -> float": "__float__",
    "(self) -> bool": "__bool__",
    "(self) -> Tensor": "__neg__ __pos__ __abs__ __invert__",
    "(self) -> Iterator[Tensor]": "__iter__",
    "(self, index: Any) -> Tensor": "__getitem__",
    "(self, index: Any, value: Any) -> None": "__setitem__",
    "(self, other: Any) -> bool": "__contains__",
    "(self, name: str) -> Any": "__getattr__",
    "(self, *args: Any, **kwargs: Any) -> Any": "__call__",
    "(self, other: Any) -> Tensor": " ".join(sorted(COMPARISONS)),
}
SPECIAL_SIGNATURE = {name: signature for signature, names in SPECIAL.items() for name in names.split()}
BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
for _op in BINARY.split():
    for _prefix in ("", "r", "i"):
        SPECIAL_SIGNATURE[f"__{_prefix}{_op}__"] = "(self, other: Tensor | Number) -> Tensor"


def qualify(annotation: ast.expr) -> ast.expr:
    """The annotation with every name replaced by one that nothing shadows."""

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node):
            return ast.parse(QUALIFIED.get(node.id, node.id), mode="eval").body

        def visit_Attribute(self, node):
            text = ast.unparse(node).removeprefix("dlcore._core.").removeprefix("dlcore.").removeprefix("typing.")
            if text.startswith("Supports"):
                return ast.parse("builtins." + {"SupportsFloat": "float"}.get(text, "int"), mode="eval").body
            return ast.parse(QUALIFIED.get(text, text), mode="eval").body

        def visit_Constant(self, node):  # an annotation as inspect.signature prints it, in quotes
            return qualify(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node

        def visit_BinOp(self, node):  # int | SupportsIndex is one type said twice
            self.generic_visit(node)
            return node.left if ast.unparse(node.left) == ast.unparse(node.right) else node

    return Rename().visit(annotation)


def plain(signature: str) -> str:
    """The signature with defaults that have no literal, <object at 0x...>, as ellipses."""
    return re.sub(r"<[^<>]*>", "...", signature)


def literal(value: ast.expr) -> ast.expr:
    """The default if it is a plain value, else an ellipsis."""
    try:
        ast.literal_eval(value)
        return value
    except ValueError:
        return ast.Constant(...)


def definition(text: str, decorators: tuple[str, ...] = ()) -> str:
    """`def name(...) -> type: ...`, every annotation qualified and nothing left without one."""
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    args = node.args
    # pybind11 calls a parameter without a name arg0: nobody can pass it by keyword
    nameless = [i for i, a in enumerate(args.args) if re.fullmatch(r"arg\d+", a.arg)]
    if nameless:
        last = nameless[-1] + 1
        args.posonlyargs, args.args = args.args[:last], args.args[last:]
    for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]:
        annotation = qualify(arg.annotation) if arg.annotation else ast.Name("Any")
        arg.annotation = None if arg.arg == "self" else annotation
    args.defaults = [literal(d) for d in args.defaults]
    args.kw_defaults = [d and literal(d) for d in args.kw_defaults]
    result = RESULT.get(node.name) if not args.args or args.args[0].arg != "self" else None
    node.returns = qualify(ast.parse(result, mode="eval").body if result else node.returns or ast.Name("Any"))
    text = ast.unparse(ast.fix_missing_locations(node)).replace(":\n    ...", ": ...")
    text = re.sub(r"\bbuiltins\.(dict|list)\b(?!\[)", lambda m: m[0] + GENERIC[m[1]], text)
    return "".join(f"@{d}\n" for d in decorators) + text


def ops() -> tuple[list[str], list[str]]:
    """The methods and the functions that are ops."""
    found: dict[bool, list[str]] = {True: [], False: []}
    overloaded: tuple[str, ...] = ()
    for line in _core._stubs().splitlines():
        text = line.strip()
        if text == "@overload":
            overloaded = ("overload",)
        elif text:
            found[line.startswith(" ")].append(definition(text, overloaded))
            overloaded = ()
    return found[True], found[False]


def pybind_function(name: str, function) -> list[str]:
    signatures = re.findall(rf"^(?:\d+\. )?({re.escape(name)}\(.*\) -> .*)$", function.__doc__ or "", re.MULTILINE)
    several = ("overload",) if len(signatures) > 1 else ()
    return [definition(f"def {plain(s)}: ...", several) for s in signatures]


def python_function(name: str, function) -> str:
    return definition(f"def {name}{plain(str(inspect.signature(function)))}: ...")


def properties(name: str, kind: type) -> list[str]:
    annotation = ast.unparse(qualify(ast.parse(PROPERTY_TYPE.get(name, "Any"), mode="eval").body))
    if kind is _core.device and name == "type":
        annotation = "builtins.str"
    lines = [f"@property\ndef {name}(self) -> {annotation}: ..."]
    if name in WRITABLE:
        lines.append(f"@{name}.setter\ndef {name}(self, value: {annotation}) -> None: ...")
    return lines


def member_stub(name: str, value, kind: type) -> list[str]:
    """The lines of one member of a class."""
    if inspect.isfunction(value):
        return [python_function(name, value)]
    if isinstance(value, property) or inspect.isgetsetdescriptor(value):
        return properties(name, kind)
    if name in SPECIAL_SIGNATURE and type(value).__name__ != "instancemethod":
        return [definition(f"def {name}{SPECIAL_SIGNATURE[name]}: ...")]
    stated = pybind_function(name, value)
    nameless = [] if name.startswith("__") else [f"def {name}(self, *args: Any) -> Any: ..."]
    return stated or nameless


def class_stub(name: str, kind: type) -> str:
    """Class `name`: its properties, special methods, what was added in Python, and (Tensor) its ops."""
    base = tuple if issubclass(kind, tuple) else object
    hidden = {"__dict__", "__weakref__", "__module__", "__doc__", "__new__", "_pybind11_conduit_v1_"}
    inherited = set(dir(base)) - {"__init__"}
    if kind is _core.Tensor:
        inherited -= COMPARISONS
        hidden.add("__init__")
    body = ["def __init__(self, data: Any = ..., *, dtype: _dtype | None = ...) -> None: ..."] * (kind is _core.Tensor)
    for member, value in sorted(vars(kind).items()):
        if member not in hidden | inherited and type(value).__name__ != "op_method":
            body += member_stub(member, value, kind)
    if kind is _core.Tensor:
        body += ops()[0]
    bases = "(builtins.tuple[builtins.int, ...])" if base is tuple else ""
    return f"class {name}{bases}:\n" + "".join(f"    {line}\n" for line in "\n".join(body or ["..."]).splitlines())


def generate() -> str:
    """The text of _core.pyi."""
    classes, functions, constants = [], [], []
    aliases = {_core.dtype: "_dtype: TypeAlias = dtype\n", _core.device: "_device: TypeAlias = device | builtins.str\n"}
    for name, value in sorted(vars(_core).items()):
        if name.startswith("__") or type(value).__name__ == "op" or inspect.ismodule(value):
            continue
        if isinstance(value, type):
            classes.append(class_stub(name, value) + aliases.get(value, ""))
        elif isinstance(value, _core.dtype):
            constants.append(f"{name}: dtype")
        elif callable(value):
            functions.extend(pybind_function(name, value) or [f"def {name}(*args: Any, **kwargs: Any) -> Any: ..."])
        else:
            constants.append(f"{name}: {type(value).__name__}")
    text = (
        HEAD + "\n" + "\n".join(classes) + "\n" + "\n".join(constants) + "\n\n" + "\n".join(functions + ops()[1]) + "\n"
    )
    ast.parse(text)
    return text


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        (Path(__file__).parents[1] / "python/dlcore/_core.pyi").write_text(generate())
    else:
        sys.stdout.write(generate())
