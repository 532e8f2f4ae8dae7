"""What docs/ says holds: its Python blocks run, what the map of topics names exists, the site leaves no page out."""

import importlib
import importlib.util
import re
import sys

import pytest
from toolchain import ROOT, run

DOCS = ROOT / "docs"
PAGES = {page.stem: page.read_text() for page in sorted(DOCS.glob("*.md"))}
# A comment in front of a block holds what its fragment leaves out: it runs first, and readers do not see it.
BLOCK = re.compile(r"^(?:<!-- first:\n(.*?)^-->\n+)?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Other titles are the files of adding-an-op.md, which test_adding_an_op.py follows.
NEEDS_TORCH = re.compile(r'^```python title="needs torch"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def program(text):
    return "\n".join(part for match in BLOCK.finditer(text) for part in match.groups() if part)


def run_or_skip(program, folder):
    """Runs a page's blocks, one after the other, with warnings as errors."""
    try:
        return run(sys.executable, "-W", "error", "-c", program, cwd=folder)
    except AssertionError as error:
        missing = re.search(r"^ImportError: (.*dlcore\[examples\].*)$", str(error), re.MULTILINE)
        if missing:
            pytest.skip(missing[1])
        raise


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if BLOCK.search(text)])
def test_blocks_run(page, tmp_path):
    printed = run_or_skip(program(PAGES[page]), tmp_path)
    if page == "training":
        assert "vanishing gradient: " in printed and "GradientNoise(noise_scale=" in printed
        assert {path.name for path in tmp_path.iterdir()} == {"whole", "broken", "history.csv"}


@pytest.mark.parametrize("page", [name for name, text in PAGES.items() if NEEDS_TORCH.search(text)])
def test_blocks_with_pytorch_run(page, tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch: pip install '.[bench]'")
    run_or_skip(program(PAGES[page]) + "\n" + "\n".join(NEEDS_TORCH.findall(PAGES[page])), tmp_path)


def test_no_block_is_left_out():
    for name, text in PAGES.items():
        titles = re.findall(r"^```python(.*)$", text, re.MULTILINE)
        known = {"", ' title="needs torch"'}
        assert name == "adding-an-op" or known.issuperset(titles), f"{name}.md: a block that no test runs"


# ---- the map of topics

ROWS = [line.strip("|\n ").split(" | ") for line in PAGES["course"].splitlines() if line.startswith("| ")][1:]


def anchors(text):
    """The ids of a page's headings, as the site's table of contents makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_topic(row):
    topic, functions, source, formulas, runs = row
    for name in re.findall(r"`([\w.]+)`", functions):
        parts = name.removeprefix("dlcore.").split(".")
        found = importlib.import_module("dlcore")
        for part in parts:
            found = getattr(found, part)
    commands = re.findall(r"`dlcore train (\w+)`", runs)
    from dlcore.train import FAMILIES

    assert set(commands) <= {name for family in FAMILIES.values() for name in family.NAMES}
    links = {column: re.findall(r"\]\(([^)]+)\)", column) for column in (source, formulas, runs)}
    assert links[source] and links[formulas] and (links[runs] or commands), "a topic has source, page, example"
    for link in sum(links.values(), []):
        path, _, anchor = link.partition("#")
        if path.startswith("api/"):  # the site's reference, which its strict build checks
            importlib.import_module("dlcore." + path.removeprefix("api/").removesuffix(".md"))
            continue
        assert (DOCS / path).exists(), link
        assert not anchor or anchor in anchors((DOCS / path).read_text()), link
    for link in links[runs]:
        path = DOCS / link.partition("#")[0]
        assert path.suffix != ".md" or BLOCK.search(path.read_text()), f"{path.name} shows nothing that runs"


def test_topics_of_a_course_are_there():
    topics = " ".join(row[0] for row in ROWS).lower()
    for word in (
        "normalization convolution pooling residual recurrent attention transformers optimization descent "
        "regularization losses dropout neighbours linear initialization differentiation decoding diagnostics"
    ).split():
        assert word in topics, word


def test_every_example_program_is_run():
    tests = (ROOT / "tests" / "test_embed.py").read_text()
    programs = [path for path in (ROOT / "examples").rglob("*.*") if path.suffix in (".c", ".cpp", ".py")]
    assert programs and all(f'"{program.stem}"' in tests for program in programs)


# ---- the site


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"([\w-]+)\.md", (ROOT / "mkdocs.yml").read_text()))
    assert named == set(PAGES)


def test_descriptions_are_of_ops_that_exist():
    """tools/op_descriptions.py; that no op lacks a description is for the strict build of the site to say."""
    import dlcore

    spec = importlib.util.spec_from_file_location("op_descriptions", ROOT / "tools" / "op_descriptions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert all(hasattr(dlcore, name) or hasattr(dlcore.Tensor, name) for name in module.DESCRIPTIONS)


def test_every_module_is_in_the_reference():
    """tools/docs_site.py names the modules by hand, to give them an order."""
    text = (ROOT / "tools" / "docs_site.py").read_text()
    listed = set(re.search(r'MODULES = """(.*?)"""', text, re.DOTALL)[1].split())
    for name in listed:
        assert importlib.import_module(f"dlcore.{name}").__doc__, f"dlcore.{name} has a docstring"
    import dlcore

    missing = {name for name in dlcore._SUBMODULES if not any(each.split(".")[0] == name for each in listed)}
    assert not missing
