"""For tests that compile something: where cmake, ninja and a compiler are, or a reason to skip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def find(name):
    """The path of a program: next to the Python that runs the tests, or on the PATH."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def need(*names):
    """Skips the test unless every program is there."""
    for name in names:
        if not find(name):
            pytest.skip(f"needs {name}: pip install '.[test]'")
    if not any(map(find, ("c++", "g++", "clang++", os.environ.get("CXX", "c++")))):
        pytest.skip("needs a C++20 compiler")


def run(*command, cwd=None, **env):
    """Runs a command to its end and returns what it printed; the test fails with that text if the command does."""
    result = subprocess.run(
        [find(command[0]) or command[0], *map(str, command[1:])],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}"
    return result.stdout


def configure(source, build, *options):
    """cmake with Ninja, this Python, and ccache where there is one."""
    launcher = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={find('ccache')}"] if find("ccache") else []
    return run("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find('ninja')}",
               f"-DPython_EXECUTABLE={sys.executable}", *launcher, *options)  # fmt: skip
