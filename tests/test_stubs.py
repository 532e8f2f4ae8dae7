"""The type stub that ships is the one that the module's own signatures give."""

import ast
import importlib.util
from pathlib import Path

from toolchain import ROOT, find, run

import dlcore
from dlcore import _core

STUB = Path(dlcore.__file__).with_name("_core.pyi")


def generate():
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "tools" / "stubs.py")
    stubs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stubs)
    return stubs.generate()


def test_the_stub_is_up_to_date():
    # Not a comparison that pytest would explain: thousands of lines.
    wanted, there = generate().splitlines(), STUB.read_text().splitlines()
    changed = [line for line in wanted if line not in set(there)] + [line for line in there if line not in set(wanted)]
    assert wanted == there, f"run python tools/stubs.py --write; {len(changed)} lines differ, such as {changed[:3]}"


def test_the_stub_names_everything_public():
    tree = ast.parse(STUB.read_text())
    named = {getattr(node, "name", None) for node in ast.walk(tree)}
    named |= {node.target.id for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)}
    public = {name for name in vars(_core) if not name.startswith("__")}
    public |= {name for name in vars(_core.Tensor) if not name.startswith("__")}
    assert public <= named, sorted(public - named)
    assert (STUB.parent / "py.typed").exists()


def test_a_typed_program_passes_and_runs(tmp_path):
    spec = importlib.util.spec_from_file_location("typed", ROOT / "tests" / "typed.py")
    typed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(typed)
    assert isinstance(typed.main(), float)
    if find("mypy"):
        run("mypy", "--strict", "--cache-dir", tmp_path, ROOT / "tests" / "typed.py")
