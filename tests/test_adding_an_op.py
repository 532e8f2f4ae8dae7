"""docs/adding-an-op.md is right: its code blocks, applied to a copy of the source tree, build, and the new op works."""

import re
import shutil
import sys

import pytest
from toolchain import ROOT, configure, need, run

DOC = ROOT / "docs" / "adding-an-op.md"
BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def squeezed(line):
    """A line without what only aligns it."""
    return " ".join(line.rstrip("\\ ").split())


def insert(path, diff):
    """Puts the + lines of each hunk (hunks are separated by a blank line) after the line that stands before them."""
    lines = path.read_text().splitlines()
    at = None
    for line in diff.splitlines():
        if not line.strip():
            at = None
        elif line.startswith("+"):
            assert at is not None, f"{path.name}: a hunk starts with {line!r}"
            lines.insert(at, line[1:])
            at += 1
        else:
            found = [i for i, other in enumerate(lines) if squeezed(other) == squeezed(line)]
            assert found, f"{path.name} has no line {line.strip()!r}: docs/adding-an-op.md is out of date"
            at = found[0] + 1
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the source tree with the document's edits, and without the other C++ tests."""
    source = tmp_path_factory.mktemp("adding-an-op") / "dlcore"
    source.mkdir()
    for name in ("CMakeLists.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    for name in ("cmake", "csrc", "python", "tests", "bench", "tools"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "__pycache__", "results"))
    for test in (source / "tests" / "cpp").glob("test_*.cpp"):
        test.unlink()
    blocks = BLOCK.findall(DOC.read_text())
    assert len(blocks) > 8
    for language, name, text in blocks:
        path = source / name
        if language == "diff":
            insert(path, text)
        else:
            assert not path.exists(), f"{name} is there already: the document needs another example"
            path.write_text(text)
    return source


def test_the_documents_op_works(tree):
    need("cmake", "ninja")
    pytest.importorskip("pybind11", reason="needs pybind11: pip install '.[test]'")
    build = tree / "build"
    # Optimization only costs time here; kernels have theirs in any configuration. ccache may reuse another tree's work.
    env = {"CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    options = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0", "-DDLCORE_ISA_TIERS="]
    try:
        configure(tree, build, *options, "-DDLCORE_TESTS=ON")
        cpp_tests = True
    except AssertionError as error:
        if "GTest" not in str(error):
            raise
        configure(tree, build, *options, "-DDLCORE_TESTS=OFF")
        cpp_tests = False
    run("cmake", "--build", build, "--parallel", "2", **env)
    if cpp_tests:
        run("ctest", "--test-dir", build, "--output-on-failure", "--no-tests=error")

    python = {"PYTHONPATH": str(build / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    tests = run(*pytest_command, "tests/test_cases.py", "-k", "soft_normalize", cwd=tree, **python)
    assert re.search(r"[1-9]\d* passed", tests), tests
    layer = "import dlcore; print(dlcore.nn.SoftNormalize()(dlcore.tensor([3.0, 4.0])).norm().item() ** 2)"
    assert abs(float(run(sys.executable, "-c", layer, **python)) - 25 / 26) < 1e-6
    run(sys.executable, "tools/stubs.py", "--write", cwd=tree, **python)
    assert "def soft_normalize(input: Tensor" in (tree / "python/dlcore/_core.pyi").read_text()
    rows = "import sys; sys.path.insert(0, 'bench'); import cases; print([r.name for r in cases.load()])"
    assert "soft_normalize (4096,512)" in run(sys.executable, "-c", rows, cwd=tree)
