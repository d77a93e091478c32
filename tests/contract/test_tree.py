"""The tree is what docs/architecture.md says: files where they belong, and nothing of one machine in them."""

import re
import subprocess
import tomllib
from importlib.metadata import version

import pytest

from tests.conftest import LONGEST

MACHINE_PATH = re.compile(r"(?<![\w.~$}>-])/(work|root|home|Users|mnt|opt)/[.]?\w")
INDEX_HOST = re.compile(r"\b(pypi[.](org|io)|\w*pythonhosted[.]org|registry[.]npmjs|deb[.]debian[.]org)\b")
PIN = re.compile(r"[a-z0-9-]+==[\w.]+( ; [^;@/]+)?")


def project_files(root):
    """Files of the project: what git tracks, or would, if it is a checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := root / name).is_file()]


def text_of(path):
    """The text of a file, empty if it is binary."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("pattern", [MACHINE_PATH, INDEX_HOST], ids=["machine path", "index host"])
def test_nothing_of_one_machine(root, pattern):
    found = [
        f"{path.relative_to(root)}: {match[0]}"
        for path in project_files(root)
        for match in pattern.finditer(text_of(path))
    ]
    assert found == []


def test_the_longest_tests_are_there(root):
    assert [name for name in LONGEST if not (root / "tests" / name).is_file()] == []


def test_no_vague_module_names(root):
    vague = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [str(path.relative_to(root)) for path in project_files(root) if path.stem in vague] == []


def test_modules_are_short(root):
    long = {
        str(path.relative_to(root)): n_line
        for package in ("stress", "kernels")
        for path in (root / package).rglob("*.py")
        if (n_line := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_every_mechanism_is_complete(root):
    folders = [path for path in sorted((root / "kernels/mechanisms").iterdir()) if path.name != "__pycache__"]
    names = [path.name for path in folders if path.is_dir()]
    assert names
    wanted = [
        f"kernels/mechanisms/{name}/{file}"
        for name in names
        for file in ("__init__.py", "step_numpy.py", "step_fused.h")
    ]
    wanted += [f"docs/methods/{name}.md" for name in names]
    wanted += [f"tests/mechanisms/test_{name}.py" for name in names]
    assert [name for name in wanted if not (root / name).is_file()] == []


def test_version_is_one(root):
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    citation = re.search(r"^version: (\S+)$", (root / "CITATION.cff").read_text(), re.M)
    changelog = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.M)
    assert citation is not None
    assert changelog is not None
    assert {version("liquidation-stress"), citation[1], changelog[1]} == {declared}


def test_constraints_pin_and_name_no_address(root):
    lines = (root / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not PIN.fullmatch(line)] == []


def test_constraints_cover_every_requirement(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())
    required = project["build-system"]["requires"] + project["project"]["dependencies"]
    for extra in project["project"]["optional-dependencies"].values():
        required += extra
    pinned = {line.split("==")[0] for line in (root / "constraints.txt").read_text().splitlines()}
    names = {re.split(r"[\[<>=~! ]", requirement)[0].lower() for requirement in required}
    assert names <= pinned
