"""Calls every public function and method with hostile arguments, each name in a process of its own.

Run as a program by test_hostile_arguments.py: prints a line for every name that crashed, hung, or raised something
other than a plain Python error. The arguments follow the signatures that the ops print, so that many calls get past
the first check."""

import functools
import inspect
import math
import os
import random
import re
import resource
import signal
import sys
import traceback
import warnings

import numpy as np

import dlcore as d
import dlcore.datasets
import dlcore.linalg
import dlcore.models

CALLS = 100
# BufferError is how the DLPack protocol refuses.
CLEAN = (TypeError, ValueError, IndexError, RuntimeError, MemoryError, OverflowError, BufferError)
# A thin Python layer may stumble over an argument's missing attribute or key, as PyTorch's does.
# The last two: files and libraries that are not there.
CLEAN_IN_PYTHON = (*CLEAN, AttributeError, KeyError, AssertionError, StopIteration, OSError, ImportError)
PYTHON = ("nn.", "optim.", "utils.", "datasets.", "models.", "metrics.", "linalg.", "train.")
PYTHON += ("model_selection.", "transforms.", "diagnostics.")
PYTHON += ("interop.", "jit.", "profiler.", "distributions.")
SKIPPED = {"set_num_threads", "set_default_dtype", "set_printoptions"}  # they would change what the next calls mean


class Odd:
    """Claims to be what it is not."""

    def __index__(self):
        raise ZeroDivisionError("index")

    def __len__(self):
        return -1

    def __getitem__(self, i):
        raise OSError("item")


def tensors():
    g = d.ones(2, 3, requires_grad=True)
    deep = d.ones(1)
    for _ in range(61):
        deep = deep.unsqueeze(0)
    return [
        d.ones(2, 3), d.ones(3, 2), d.ones(3), d.ones(()), d.zeros(0), d.zeros(2, 0, 3), d.ones(2, 3, 4, 5),
        d.eye(3), g,
        g * 2, d.ones(3, 3).t(), d.ones(1, 3).expand(4, 3), d.ones(2, 3).double(), d.ones(2, 3).bfloat16(),
        d.ones(3).half(),
        d.tensor([0, 1, 2]), d.tensor([-1, 5, 2**62]), d.tensor([[1, 0, 1]]), d.tensor([2**63 - 1, -(2**63)]),
        d.tensor([True, False, True]), d.ones(2, 3) > 0, d.tensor([1, 2], dtype=d.uint8), d.tensor([-128],
        dtype=d.int8),
        d.full((2, 3), math.nan), d.full((3,), math.inf), d.full((3, 3), -math.inf), d.empty(2**40, 0),
        d.empty(0, 2**62),
        d.arange(12.0).reshape(3, 4)[::2, 1:], deep, d.ones(2, 2, 2, 2, 2), d.zeros(3, dtype=d.int32),
    ]  # fmt: skip


INTS = [0, 1, -1, 2, 3, 7, 64, -7, 2**31, -(2**31) - 1, 2**40, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, True]
FLOATS = [0.0, 1.0, -0.5, 0.5, 1e-300, 1e308, -1e308, math.nan, math.inf, -math.inf, 3, 2**62]
STRINGS = ["", "mean", "sum", "none", "nonsense", "same", "valid", "ij,jk->ik", "i...,...->", "a" * 3000, "\0"]
STRINGS += ["\udcff", "linear", "xy"]


def nested(depth):
    x = []
    for _ in range(depth):
        x = [x]
    return x


def odd_things():
    circle = []
    circle.append(circle)
    return [
        None, True, 1j, b"bytes", object(), Odd(), {}, {"a": 1}, set(), range(3), slice(None), ...,
        lambda *a: a, int, d.float32,
        d.int64, d.bool, d.device("cpu"), d.Generator(), d.Size((2, 3)), np.zeros((2, 3)), np.zeros(3, dtype=complex),
        np.array([None]), np.zeros(2, dtype="M8[s]"), np.zeros(3, dtype=">f4"), np.float32(2), np.int64(-1),
        np.ones(()),
        np.array(["a"]), np.zeros((2, 3))[::-1], circle, nested(5000), [[1], [2, 3]], [1, "a"], [None],
        [d.ones(2), 3], (), [],
        memoryview(b"abc"), math, d, type, iter([1, 2]), (x for x in (1, 2)), "0", float("nan"), Exception("x"),
    ]  # fmt: skip


class Arguments:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tensors, self.odd = tensors(), odd_things()

    def anything(self):
        pools = (self.tensors, INTS, FLOATS, STRINGS, self.odd, self.odd)
        return self.random.choice(self.random.choice(pools))

    def ints(self):
        return [self.random.choice(INTS) for _ in range(self.random.choice((0, 1, 1, 2, 2, 2, 3, 4, 5, 70)))]

    def of_type(self, kind):
        r, base = self.random, kind.rstrip("?")
        if kind.endswith("?") and r.random() < 0.3:
            return None
        if base.startswith("Tensor["):
            return [r.choice(self.tensors) for _ in range(r.choice((0, 1, 2, 2, 3)))]
        if base.startswith("int["):
            return r.choice(INTS) if r.random() < 0.3 else self.ints() if r.random() < 0.5 else self.small()
        if base == "Number|Tensor" or base == "Number":
            return r.choice(r.choice((INTS, FLOATS, self.tensors) if "|" in base else (INTS, FLOATS)))
        pools = {
            "Tensor": self.tensors, "int": INTS[:12] + [0, 1, -1] * 4, "float": FLOATS, "bool": [True, False],
            "str": STRINGS,
            "dtype": [d.float32, d.float64, d.int64, d.bool, d.bfloat16, d.uint8], "Generator": [d.Generator()],
            "device": ["cpu", "cuda", "cuda:99999999999", "nonsense"],
        }  # fmt: skip
        return r.choice(pools[base]) if base in pools else self.anything()

    def small(self):
        return [self.random.choice((-1, 0, 1, 2, 3)) for _ in range(self.random.randint(0, 4))]

    def call(self, signature):
        """Positional and keyword arguments for a signature [(type, name, whether by keyword only)], or for none."""
        r = self.random
        if not signature or r.random() < 0.15:
            args = [self.anything() for _ in range(r.randint(0, 5))]
            named = (
                {r.choice(("dim", "out", "axis", "size", "bogus", "dtype")): self.anything()}
                if r.random() < 0.3
                else {}
            )
            return args, named
        args, named = [], {}
        for kind, name, default, keyword in signature:
            if (keyword or default) and r.random() < 0.5:
                keyword = True
                continue
            value = self.of_type(kind) if r.random() < 0.9 else self.anything()
            if keyword or default and r.random() < 0.3:
                keyword, named[name] = True, value
            elif kind == "int...":
                args += value if isinstance(value, list) else [value]
            else:
                args.append(value)
        return args, named


def signatures(f):
    """[(type, name, has a default, by keyword only)] for each line of an op's documentation that is a signature."""
    found = []
    for line in (getattr(f, "__doc__", None) or "").splitlines():
        match = re.fullmatch(r"\w+\((.*)\) -> .*", line.strip())
        if not match:
            continue
        parameters, keyword = [], False
        for part in re.split(r", (?![^\[(]*[\])])", match[1]):
            if part == "*":
                keyword = True
                continue
            words = re.match(r"([\w|\[\]?.]+) (\w+)(=.*)?$", part)
            if words:
                kind = "int..." if words[1] == "int..." else words[1]
                parameters.append((kind, words[2], words[3] is not None, keyword))
        found.append(parameters)
    return found


# Modules whose own functions are called under the module's name.
MODULES = tuple(f"nn.{kind}attention" for kind in ("", "linear_", "low_rank_", "clustered_", "sinkhorn_"))
MODULES = (*MODULES, "model_selection", "train.callbacks", "train.history", "train.state", "train.trainer")


def public():
    """Name and callable of everything that a user may call."""
    out = {}
    places = ("", "nn.functional", "nn.init", "nn", "optim", "autograd", "utils.data", "datasets", "models.sequence")
    places = (*places, "linalg", "metrics", "metrics.functional", "models.classic", "transforms", "diagnostics")
    places = (
        *places,
        "interop.torch",
        "jit",
        "profiler",
        "distributions",
        "nn.utils",
        "optim.lr_scheduler",
        "optim.swa_utils",
    )
    for place in (*places, *MODULES):
        space = functools.reduce(getattr, filter(None, place.split(".")), d)
        for name in dir(space):
            if name.startswith("_") or name in SKIPPED or name == "distributions":
                continue
            f = getattr(space, name)
            if place in MODULES and getattr(f, "__module__", None) != space.__name__:
                continue
            if callable(f) and not inspect.ismodule(f):
                out[f"{place}.{name}".lstrip(".")] = f
    for name in dir(d.Tensor):
        if not name.startswith("__") or name in SPECIAL:
            out["Tensor." + name] = getattr(d.Tensor, name)
    return out


SPECIAL = {
    f"__{n}__" for n in (
        "getitem setitem add radd sub rsub mul rmul truediv rtruediv floordiv mod pow "
        "rpow matmul rmatmul and or xor invert "
        "lshift rshift eq ne lt le gt ge iadd isub imul itruediv iand len iter bool int "
        "float index repr format contains "
        "array copy deepcopy reduce_ex dlpack setstate hash"
    ).split()
}  # fmt: skip


def attack(name, f, number):
    """Many calls; a line on stdout for each kind of failure that is no plain error."""
    native = type(f).__module__.startswith("dlcore._core") or not hasattr(f, "__code__")
    accepted = CLEAN if native and not name.startswith(PYTHON) else CLEAN_IN_PYTHON
    arguments, known = Arguments(number), signatures(f)
    is_property = name.startswith("Tensor.") and not callable(f)
    seen = set()
    for i in range(CALLS):
        signature = known[i % len(known)] if known else None
        args, named = arguments.call(signature)
        if name.startswith("Tensor.") and not signature and arguments.random.random() < 0.95:
            args.insert(0, arguments.random.choice(arguments.tensors))
        if VERBOSE:
            print(name, short(args, named), file=sys.stderr, flush=True)
        try:
            if is_property:  # read it, write anything
                target = arguments.random.choice(arguments.tensors)
                getattr(target, name[7:])
                setattr(target, name[7:], arguments.anything())
            else:
                result = f(*args, **named)
                if isinstance(result, d.Tensor) and result.numel() < 10_000:
                    repr(result)
        except AttributeError as error:
            if not is_property and AttributeError not in accepted:
                seen.add(f"{type(error).__name__}: {str(error)[:100]} {short(args, named)}")
        except accepted as error:
            if "Unable to convert" in str(error):  # a type that the binding forgot
                seen.add(f"{type(error).__name__}: {str(error)[:100]}")
        except (ZeroDivisionError, OSError) as error:
            if str(error) not in ("index", "item"):
                seen.add(f"{type(error).__name__}: {str(error)[:100]} {short(args, named)}")
        except Exception as error:  # noqa: BLE001
            seen.add(f"{type(error).__name__}: {str(error)[:100]} {short(args, named)}")
    for line in sorted(seen)[:3]:
        print(f"{name}: raised {line}", flush=True)
    return not seen


def short(args, named):
    def one(x):
        return (
            f"tensor{tuple(x.shape)}"
            if isinstance(x, d.Tensor)
            else type(x).__name__
            if isinstance(x, list)
            else repr(x)[:40]
        )

    return f"({', '.join(map(one, args))}; {', '.join(f'{k}={one(v)}' for k, v in named.items())})"


VERBOSE = len(sys.argv) > 1  # names were given: to find the call that crashes


def main(only):
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    d.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names, bad = public(), 0
    for number, (name, f) in enumerate(names.items()):
        if only and name not in only:
            continue
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 29),) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (20, 20))  # of work: the machine may be busy
            signal.alarm(300)
            status = 3
            try:
                status = 0 if attack(name, f, number) else 3
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            print(f"{name}: died of {signal.Signals(os.WTERMSIG(status)).name}", flush=True)
        bad += status != 0
    print(f"{len(names)} names, {bad} bad", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
