"""C++ projects find the installed wheel with find_package(dlcore), train and run models against it: tests/embed and
examples/embed_cpp."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from toolchain import ROOT, configure, find, need, run

import dlcore
from dlcore import nn

INCLUDE = ROOT / "csrc/include"


def test_public_headers_are_light():
    """They need nothing but themselves and the standard library, and less than a second of a compiler's time: that of
    dlcore.h, which includes them all. (tests/cpp/CMakeLists.txt compiles each alone.)"""
    need()
    compiler = next(filter(None, map(find, ("c++", "g++", "clang++"))))
    unit = "#include <dlcore/dlcore.h>\n"
    command = [compiler, "-x", "c++", "-std=c++20", f"-I{INCLUDE}", "-"]

    def compile(*options):
        return subprocess.run([*command, *options], input=unit, check=True, capture_output=True, text=True).stdout

    included = {Path(word) for word in compile("-MM").split() if word.startswith("/")}
    private = {path for path in included if INCLUDE not in path.parents}
    assert not private
    assert {path for path in (INCLUDE / "dlcore").rglob("*.h")} == included

    def seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        compile("-fsyntax-only")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert any(seconds() < 1 for _ in range(3))


def test_installed_headers_are_the_public_ones(cmake_dir):
    include = Path(run(sys.executable, "-m", "dlcore", "--include-dir").strip())
    installed = {p.relative_to(include) for p in include.rglob("*") if p.is_file()}
    public = {p.relative_to(ROOT / "csrc/include") for p in (ROOT / "csrc/include").rglob("*.h")}
    assert installed == public


def built(project, cmake_dir, folder):
    """The folder where a project is built against the installed package."""
    need("cmake", "ninja")
    configure(ROOT / project, folder, f"-Ddlcore_DIR={cmake_dir}", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", folder)
    return folder


@pytest.fixture(scope="module")
def embed(cmake_dir, tmp_path_factory):
    return built("tests/embed", cmake_dir, tmp_path_factory.mktemp("embed"))


@pytest.fixture(scope="module")
def programs(cmake_dir, tmp_path_factory):
    return built("examples/embed_cpp", cmake_dir, tmp_path_factory.mktemp("embed_cpp"))


def test_a_cpp_project_trains_against_the_wheel(embed):
    assert "loss" in run(embed / "train")


def test_a_c_program_runs_a_model(embed, tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)).eval()
    dlcore.export(model, tmp_path / "model.safetensors")
    said = run(embed / "c_api", tmp_path / "model.safetensors", 2, 2, 5, 5).split()
    want = model((dlcore.arange(100) % 8 / 8).reshape(2, 2, 5, 5))
    assert dlcore.allclose(dlcore.tensor([float(word) for word in said]), want.flatten(), atol=1e-6)


def test_the_documentations_programs_run(cmake_dir, tmp_path):
    """docs/embedding.md's program in C++, and its program in C with a model of Python's."""
    need("cmake", "ninja")
    text = (ROOT / "docs/embedding.md").read_text()
    for language, file in (("cpp", "net.cpp"), ("c", "model.c")):
        (tmp_path / file).write_text(re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1])
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(documented LANGUAGES C CXX)\n"
        "find_package(dlcore 0.1 REQUIRED)\nadd_executable(net net.cpp)\nadd_executable(model model.c)\n"
        "target_link_libraries(net PRIVATE dlcore::dlcore)\ntarget_link_libraries(model PRIVATE dlcore::dlcore)\n"
    )
    configure(tmp_path, tmp_path / "build", f"-Ddlcore_DIR={cmake_dir}")
    run("cmake", "--build", tmp_path / "build")
    assert float(run(tmp_path / "build/net", cwd=tmp_path).split()[-1]) < 0.1
    layer = nn.Linear(2, 1)
    dlcore.export(nn.Sequential(layer), tmp_path / "model.safetensors")
    want = layer(dlcore.tensor([1.0, 2.0])).item()
    assert float(run(tmp_path / "build/model", cwd=tmp_path)) == pytest.approx(want, rel=1e-4)


def test_the_library_can_be_linked_without_python(cmake_dir):
    """libdlcore names no symbol of Python's, and hides its own insides."""
    need("nm")
    library = Path(dlcore.__file__).parent / "lib" / "libdlcore.so"
    symbols = subprocess.run(["nm", "-D", "-C", library], check=True, capture_output=True, text=True).stdout
    assert "dlcore::matmul(" in symbols
    assert " Py" not in symbols
    assert "pybind11" not in symbols


# --- examples/embed_cpp


def serve(programs, model, shape, requests):
    """The server's answers, one a request."""
    command = [programs / "server", model, *map(str, shape)]
    result = subprocess.run(command, input="\n".join(requests) + "\n", capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    answers = result.stdout.splitlines()
    assert len(answers) == len(requests)
    return answers


def check_answers(programs, path, model, images):
    """The server says of each image what `model` says in Python."""
    with dlcore.no_grad():
        chances, classes = model.eval()(images).softmax(1).max(1)
    requests = [" ".join(repr(value) for value in image.flatten().tolist()) for image in images]
    for answer, chance, label in zip(serve(programs, path, images.shape[1:], requests), chances, classes, strict=True):
        said, probability = answer.split()
        assert int(said) == label.item() and abs(float(probability) - chance.item()) < 1e-5


def lenet(side):
    """The layers of train_lenet.cpp."""
    last = (side // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * last * last, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def test_lenet_is_trained_in_cpp_and_read_in_python(programs, tmp_path):
    path = tmp_path / "lenet.safetensors"
    last = run(programs / "train_lenet", path).splitlines()[-1]
    assert float(last.split()[-5].rstrip("%")) > 95, last
    model = lenet(16)
    model.load_state_dict(dlcore.load(path))
    check_answers(programs, path, model, dlcore.rand(5, 1, 16, 16))


def test_lenet_reads_csv_and_says_where_it_is_wrong(programs, tmp_path):
    path, table = tmp_path / "lenet.safetensors", tmp_path / "digits.csv"
    rows = [f"{row % 2}" + f",{row % 2}" * 144 for row in range(600)]
    table.write_text("\n".join(rows))
    assert "100.0%" in run(programs / "train_lenet", path, table)
    for bad, message in ((rows[0] + "x", "line 3, column 289"), ("7,1,2", "line 3"), ("", "line 3, column 1")):
        table.write_text("\n".join([*rows[:2], bad, *rows[2:]]))
        result = subprocess.run([programs / "train_lenet", path, table], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and message in result.stderr, result.stderr


def test_lenet_reads_mnists_files(programs, tmp_path):
    path, images, labels = (tmp_path / name for name in ("lenet.safetensors", "images", "labels"))
    classes = [row * 7 % 10 for row in range(600)]
    pixels = b"".join(bytes([255 * (y // 14 in (label + 1, label + 2)) for y in range(196)]) for label in classes)
    good = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (600, 14, 14)) + pixels
    labels.write_bytes(b"\0\0\x08\x01" + (600).to_bytes(4, "big") + bytes(classes))
    images.write_bytes(good)
    said = run(programs / "train_lenet", path, images, labels)
    assert float(said.splitlines()[-1].split()[-5].rstrip("%")) > 90, said
    model = lenet(14)
    model.load_state_dict(dlcore.load(path))
    check_answers(programs, path, model, dlcore.rand(2, 1, 14, 14))

    def refused(*files):
        result = subprocess.run([programs / "train_lenet", path, *files], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1
        return result.stderr

    for bad, message in (
        (good[:4] + (6).to_bytes(4, "big") + good[8:16] + pixels[: 6 * 196], "expected as many images as labels"),
        (good[:-1], "its length is not that of its sizes"),
        (good + b"x", "its length is not that of its sizes"),
        (good[:11], "expected an IDX file of bytes in 3 dimensions"),
        (b"\0\0\x0d" + good[3:], "expected an IDX file of bytes"),
        (good[:4] + b"\xff" * 12, "its length is not that of its sizes"),
        (b"", "expected an IDX file"),
    ):
        images.write_bytes(bad)
        assert message in refused(images, labels)
    images.write_bytes(good)
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0a")
    assert "labels from 0 to 9" in refused(images, labels)
    assert "cannot open" in refused(images, tmp_path / "nothing")


def test_an_lstm_is_trained_in_cpp(programs):
    assert "100.0%" in run(programs / "train_lstm")


def test_the_server_goes_on_after_bad_requests(programs, tmp_path):
    path = tmp_path / "lenet.safetensors"
    run(programs / "train_lenet", path)
    good = " ".join(["0.5"] * 256)
    bad = ["", "1 2 3", good + " 1", good[:-3] + "x", "\x00", "nan " * 255, "1e999,", "[1, 2]", "ä" * 100_000]
    answers = serve(programs, path, (1, 16, 16), [good, *bad, good.replace(" ", ",")])
    assert answers[0] == answers[-1] and not answers[0].startswith("error")
    assert all(answer.startswith("error: expected") for answer in answers[1:-1])
    no_model = tmp_path / "tensors"
    dlcore.save({"a": dlcore.ones(2)}, no_model)
    for arguments in ((tmp_path / "nothing", 1, 16, 16), (path, 1, 16), (path, "x", 16, 16), (no_model, 1, 2, 2)):
        result = subprocess.run([programs / "server", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and result.stderr.startswith("server: ")
