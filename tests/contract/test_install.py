"""Without a C++ compiler the package installs all the same, unless the fused engine is required."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

TEMPLATES = ("page.css", "page.js", "parts.html", "report.html", "shell.html")

pytest.importorskip("scikit_build_core", reason="needs the build requirements, as `make test` installs them")


def build_wheel_without_compiler(root, folder, require):
    """Build the wheel into `folder` as on a machine without g++; returns the finished process."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--config-settings", f"build-dir={folder}/build", "--wheel-dir", str(folder), str(root)]
    environment = os.environ | {
        "CXX": "no-such-compiler",
        "STRESS_REQUIRE_FUSED": require,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_falls_back_to_pure_python(root, tmp_path):
    done = build_wheel_without_compiler(root, tmp_path, require="")
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.split("-", 2)[2] == "py3-none-any.whl"
    data = [
        "stress/fields.yml",
        "stress/comparison/templates/comparison.html",
        "stress/replays/templates/replay.html",
        *(f"stress/report/templates/{name}" for name in TEMPLATES),
    ]
    assert set(data) <= set(ZipFile(wheel).namelist())


def test_fails_where_the_fused_engine_is_required(root, tmp_path):
    done = build_wheel_without_compiler(root, tmp_path, require="1")
    assert done.returncode != 0
    assert "no-such-compiler" in done.stdout + done.stderr
    assert list(tmp_path.glob("*.whl")) == []
