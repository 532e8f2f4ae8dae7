"""No argument, however wrong, does more than raise a plain Python error."""

import subprocess
import sys
from pathlib import Path


def test_every_public_name(tmp_path):
    """In processes of their own: a crash is a red test, not a dead runner."""
    result = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("fuzz.py"))],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,  # some names write files
    )
    lines = result.stdout.splitlines()
    assert lines and lines[-1].endswith(" names, 0 bad"), result.stdout[-5000:] + result.stderr[-2000:]
    assert int(lines[-1].split()[0]) > 900
