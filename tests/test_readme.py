"""What the README shows runs as it stands."""

import re
import sys

from toolchain import ROOT, configure, need, run

README = (ROOT / "README.md").read_text()


def block(language):
    return re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]


def test_python_example(tmp_path):
    printed = run(sys.executable, "-c", block("python"), cwd=tmp_path)
    loss, sine = re.search(r"loss (\S+)\nsin\(1.5\) is about (\S+)", printed).groups()
    assert float(loss) < 1e-3
    assert abs(float(sine) - 0.997) < 0.05


def test_cpp_example(tmp_path, cmake_dir):
    need("cmake", "ninja")
    (tmp_path / "main.cpp").write_text(block("cpp"))
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(your_program LANGUAGES CXX)\n"
        "add_executable(your_program main.cpp)\n" + block("cmake")
    )
    configure(tmp_path, tmp_path / "build", f"-Ddlcore_DIR={cmake_dir}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "your_program") == "y = 2.00 x + 1.00\n"
