"""What docs/classics.md and docs/data.md show runs as it stands."""

import re
import sys

import pytest
from toolchain import ROOT, run


@pytest.mark.parametrize("page", ["classics", "data"])
def test_examples(page, tmp_path):
    if page == "classics":
        pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        printed = run(sys.executable, "-c", block, cwd=tmp_path)
        assert float(re.findall(r"\d\.\d+", printed)[-1]) > 0
