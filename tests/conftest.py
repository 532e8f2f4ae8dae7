import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run; `--hypothesis-profile=search` draws others.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile("repeatable")

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cmake_dir():
    """The folder of the installed package's CMake files."""
    from toolchain import run

    path = run(sys.executable, "-m", "dlcore", "--cmake-dir").strip()
    if not (Path(path) / "dlcore-config.cmake").exists():
        pytest.skip("dlcore is not installed here: it runs from a source tree")
    return path
