import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cmake_dir():
    """The folder of the installed package's CMake files."""
    from toolchain import run

    path = run(sys.executable, "-m", "dlcore", "--cmake-dir").strip()
    if not (Path(path) / "dlcore-config.cmake").exists():
        pytest.skip("dlcore is not installed here: it runs from a source tree")
    return path


HERE = Path(__file__).parent
KNOWN_FAILURES = {
    line for line in (HERE / "known_failures.txt").read_text().splitlines() if line and not line.startswith("#")
}


def pytest_collection_modifyitems(items):
    """Tests named in known_failures.txt may fail, and are reported as such."""
    for item in items:
        if f"{item.path.name}::{item.nodeid.split('::', 1)[1]}" in KNOWN_FAILURES:
            item.add_marker(pytest.mark.xfail(reason="named in known_failures.txt", strict=False))
