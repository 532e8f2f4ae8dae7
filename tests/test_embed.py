"""A C++ project finds the installed wheel with find_package(dlcore), and trains against it (tests/embed)."""

import subprocess
import sys
from pathlib import Path

from toolchain import ROOT, configure, need, run

import dlcore


def test_installed_headers_are_the_public_ones(cmake_dir):
    include = Path(run(sys.executable, "-m", "dlcore", "--include-dir").strip())
    installed = {p.relative_to(include) for p in include.rglob("*") if p.is_file()}
    public = {p.relative_to(ROOT / "csrc/include") for p in (ROOT / "csrc/include").rglob("*.h")}
    assert installed == public


def test_a_cpp_project_trains_against_the_wheel(cmake_dir, tmp_path):
    need("cmake", "ninja")
    configure(ROOT / "tests/embed", tmp_path, f"-Ddlcore_DIR={cmake_dir}", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", tmp_path)
    assert "loss" in run(tmp_path / "train")


def test_the_library_can_be_linked_without_python(cmake_dir):
    """libdlcore names no symbol of Python's, and hides its own insides."""
    need("nm")
    library = Path(dlcore.__file__).parent / "lib" / "libdlcore.so"
    symbols = subprocess.run(["nm", "-D", "-C", library], check=True, capture_output=True, text=True).stdout
    assert "dlcore::matmul(" in symbols
    assert " Py" not in symbols
    assert "pybind11" not in symbols
