import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

KNOWN_FAILURES = {
    line for line in (HERE / "known_failures.txt").read_text().splitlines() if line and not line.startswith("#")
}


def pytest_collection_modifyitems(items):
    """Tests named in known_failures.txt may fail, and are reported as such."""
    for item in items:
        if f"{item.path.name}::{item.nodeid.split('::', 1)[1]}" in KNOWN_FAILURES:
            item.add_marker(pytest.mark.xfail(reason="named in known_failures.txt", strict=False))
