"""What docs/training.md shows runs as it stands."""

import re
import sys

from toolchain import ROOT, run


def test_examples(tmp_path):
    page = (ROOT / "docs" / "training.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    printed = run(sys.executable, "-W", "error", "-c", "\n".join(blocks), cwd=tmp_path)
    assert "vanishing gradient: " in printed and "GradientNoise(noise_scale=" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "broken", "history.csv"}
