"""What mkdocs.yml cannot say: the pages of the API reference, and links from docs/ to source files.

A hook of MkDocs and an extension of griffe, which reads the docstrings. Nothing of dlcore is imported or compiled: the
modules' docstrings come from the .py files, the ops' signatures from _core.pyi, their comments from the C++ headers,
or, of what is declared in none, from op_descriptions.py.
"""

from __future__ import annotations

import ast
import html
import inspect
import itertools
import logging
import re
import sys
from pathlib import Path

import griffe
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))
import op_descriptions  # noqa: E402

LOG = logging.getLogger("mkdocs.docs_site")  # whose warnings the strict build counts
ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "dlcore"
BINDINGS = sorted((ROOT / "csrc" / "bindings").glob("*.cpp"))
SAME = re.compile(r'(?:\bsame\(|pair\{|^ +\{)"(\w+)", "(\w+)"[)}]', re.MULTILINE)  # two names of an op
OP_HEADERS = sorted((ROOT / "csrc" / "include" / "dlcore" / "ops").glob("*.h"))

# The public modules, in the order of the navigation.
MODULES = """
    nn nn.functional nn.init nn.utils nn.utils.parametrizations nn.utils.parametrize nn.utils.rnn
    optim optim.lr_scheduler optim.swa_utils
    utils utils.data datasets transforms model_selection
    train metrics diagnostics profiler
    models.vision models.sequence models.classic
    autograd distributions linalg backends.conv cuda jit interop.torch
""".split()


# ---- hooks of MkDocs


def on_config(config):
    pages = [{"dlcore": "api/dlcore.md"}, {"dlcore.Tensor": "api/tensor.md"}]
    pages += [{f"dlcore.{name}": f"api/{name}.md"} for name in MODULES]
    config.nav.append({"API reference": pages})
    return config


def on_files(files, config):
    ops = Ops()
    pages = {"dlcore": ops.functions(), "tensor": ops.methods()}
    for name in MODULES:
        pages[name] = f"# dlcore.{name}\n\n::: dlcore.{name}\n" + ops.imported_by(name)
    for name, text in pages.items():
        files.append(File.generated(config, f"api/{name}.md", content=text))
    for target in sorted(_targets()):
        files.append(File.generated(config, f"source/{target}.md", content=_source(target)))
    return files


LINK = re.compile(r"\]\(\.\./([^)#]+)\)")


def on_page_markdown(markdown, page, config, files):
    """Links out of docs/ go to the site's copy of the file."""
    return markdown if page.file.generated_by else LINK.sub(r"](source/\1.md)", markdown)


def _targets():
    """The files and folders outside docs/ that its pages link to."""
    links = {link.rstrip("/") for page in (ROOT / "docs").glob("*.md") for link in LINK.findall(page.read_text())}
    links |= {str(header.relative_to(ROOT)) for header in OP_HEADERS}
    return {link for link in links if (ROOT / link).exists()}  # the strict build names those that do not


def _source(target):
    path = ROOT / target
    if path.is_dir():
        names = sorted(each.name + "/" * each.is_dir() for each in path.iterdir() if each.name[0] not in "._")
        return f"# {target}/\n\n" + "".join(f"- `{name}`\n" for name in names)
    language = {".h": "cpp", ".cpp": "cpp", ".c": "c", ".py": "python", ".md": "markdown"}.get(path.suffix, "text")
    return f"# {target}\n\n`````{language}\n{path.read_text()}\n`````\n"


# ---- the ops


class Ops:
    """The functions of `dlcore` and the methods of `Tensor`: signatures of _core.pyi, descriptions of the headers."""

    def __init__(self):
        stub = ast.parse((PACKAGE / "_core.pyi").read_text())
        self.stub = {"": _signatures(stub)}
        self.stub |= {node.name: _signatures(node) for node in stub.body if isinstance(node, ast.ClassDef)}
        self.families, self.comments = {}, dict(op_descriptions.DESCRIPTIONS)
        for header in OP_HEADERS:
            for name, comment in _declared(header.read_text()):
                self.families.setdefault(name, header.stem)
                if comment:
                    self.comments.setdefault(name, comment)
        for name, same in SAME.findall("".join(path.read_text() for path in BINDINGS)):
            self.comments.setdefault(name, f"The same as {same}.")

    def description(self, owner, name):
        """Of a function, or of a method that is none; "" where nothing says what it does."""
        if owner and name in self.stub[""]:
            return ""  # the method is the function
        plain = name.removesuffix("_")
        if plain != name and (plain in self.comments or plain in self.stub[""]):
            return f"{plain}, written over x."
        return self.comments.get(name, "")

    def functions(self):
        """The page of `dlcore` itself."""
        families = {}
        for name in self.stub[""]:
            if not name.startswith("_"):
                families.setdefault(self.families.get(name.rstrip("_"), "others"), []).append(name)
        parts = [
            "# dlcore\n\nFunctions of tensors, by the header that declares them for C++ and says what they do, in both"
            " languages. Most are methods of [Tensor](tensor.md) too. Names, arguments and defaults are PyTorch's;"
            " `out=` is taken too, and `axis=` and `keepdims=` for `dim=` and `keepdim=`. Then files and programs.\n"
        ]
        for family, names in sorted(families.items(), key=lambda item: (item[0] == "others", item[0])):
            header = f"csrc/include/dlcore/ops/{family}.h"
            where = "" if family == "others" else f"[{header}](../source/{header}.md)\n\n"
            parts.append(f"## {family.replace('_', ' ').capitalize()}\n\n{where}{self._list('', names)}")
        names = "serialization.save serialization.load program.export _ecosystem.compile _ecosystem.autocast".split()
        options = "    options: {show_root_heading: true, show_root_toc_entry: true, heading_level: 3}\n"
        parts += ["## Files and programs\n", *(f"::: dlcore.{name}\n{options}" for name in names)]
        return "\n".join(parts)

    def methods(self):
        """The page of `dlcore.Tensor`."""
        names = [name for name in self.stub["Tensor"] if not name.startswith("_")]
        plain = [name for name in names if not name.endswith("_")]
        return (
            "# dlcore.Tensor\n\nA method `x.op(...)` is the function [`dlcore.op(x, ...)`](dlcore.md), and "
            "`x.op_(...)` writes its result over x.\n\n## Methods and properties\n\n"
            + self._list("Tensor", plain)
            + "\n## In place\n\n"
            + self._list("Tensor", [name for name in names if name.endswith("_")])
        )

    def imported_by(self, module):
        """A list of the ops that are functions of this module too, as they are."""
        path = PACKAGE.joinpath(*module.split("."), "__init__.py")
        nodes = ast.parse(path.read_text()).body if path.exists() else []
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "_core"]
        names = [alias.name for node in imports for alias in node.names if alias.name in self.stub[""]]
        return f"\n## Ops\n\n{self._list('', names, f'dlcore.{module}.')}" if names else ""

    def _list(self, owner, names, prefix=None):
        prefix = prefix or ("x." if owner else "dlcore.")
        items = []
        for name in sorted(names):
            lines = "<br>".join(f"<code>{prefix}{html.escape(line)}</code>" for line in self.stub[owner][name])
            if not (text := self.description(owner, name)) and not (owner and name in self.stub[""]):
                LOG.warning(f"{name} has no description: write one where it is declared, or in op_descriptions.py")
            items.append(f"<dt>{lines}</dt><dd>{html.escape(text)}</dd>\n")
        return "<dl>\n" + "".join(items) + "</dl>\n"


def _signatures(node):
    """{name: [signature, ...]} of the functions and properties of a stub's module or class."""
    found = {}
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            names = {each.id for each in item.decorator_list if isinstance(each, ast.Name)}
            item.args.args = [each for each in item.args.args if each.arg != "self"]
            returns = f" -> {ast.unparse(item.returns)}" if item.returns else ""
            arguments = "" if "property" in names else f"({ast.unparse(item.args)})"
            text = re.sub(r"\bbuiltins\.|\b_(?=dtype\b|device\b)", "", f"{item.name}{arguments}{returns}")
            text = text.replace(", **extras: Any", "").replace("**extras: Any", "")
            if not any(isinstance(each, ast.Attribute) for each in item.decorator_list):  # a property's setter
                found.setdefault(item.name, []).append(text)
    return found


def _declared(header):
    """(name, comment) for each function of a header: the comment behind it; or its row of a table above; or the comment
    above it and the functions in front of it, as far as these have the same."""
    above, open = [], True  # whether the comment goes on, or still holds
    for line in re.sub(r"\n {8,}", " ", header).splitlines():
        line = line.strip()
        if line.startswith("//"):
            above = [*above, line[2:]] if open else [line[2:]]
            open = True
            continue
        match = re.match(r"(?:DLCORE_API|inline) .*?\b(\w+)\([^;]*;?\s*(?://\s*(.*))?$", line)
        if match:
            title = above and above[0].startswith(" ----")
            yield match[1], match[2] or _row(above, match[1]) or ("" if title else " ".join(map(str.strip, above)))
        elif not line:
            above = []
        open = False


def _row(table, name):
    """What a comment's line "name   text" says, with the lines behind it that are indented further."""
    for i, line in enumerate(table):
        if match := re.match(rf"( +){name}  +(.*)", line):
            more = itertools.takewhile(lambda line: re.match(match[1] + "  ", line), table[i + 1 :])
            return " ".join(" ".join([match[2], *more]).split())
    return ""


# ---- docstrings


NOT_TEXT = re.compile(r"(`[^`]*`|^ {8,}.*$|^ *\*+\w+:)", re.MULTILINE)  # code; names of arguments
SEVERAL_NAMES = re.compile(r"^ +\w+(?:, \w+)+:", re.MULTILINE)


class PlainText(griffe.Extension):
    """Stars in docstrings are stars, as in (N, *), not emphasis; "weight, bias: ..." describes both."""

    def on_class_members(self, *, node, cls, agent, **kwargs):
        """Takes `__doc__ = f"...{Base.__doc__}"` for what it will be."""
        for item in node.body:
            if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "__doc__":
                parts = (
                    part.value if isinstance(part, ast.Constant) else cls.module[part.value.value.id].docstring.value
                    for part in item.value.values
                )
                text = "\n\n".join(inspect.cleandoc(part).strip() for part in parts)
                reader = {"parser": agent.docstring_parser, "parser_options": agent.docstring_options}
                cls.docstring = griffe.Docstring(text, lineno=item.lineno, parent=cls, **reader)

    def on_object(self, *, obj, **kwargs):
        if obj.docstring:
            parts = NOT_TEXT.split(obj.docstring.value)
            parts[::2] = (part.replace("*", r"\*") for part in parts[::2])
            # With ordinary spaces, what stands behind the first one would be a type.
            obj.docstring.value = SEVERAL_NAMES.sub(
                lambda match: match[0].replace(", ", ",\N{NO-BREAK SPACE}"), "".join(parts)
            )
