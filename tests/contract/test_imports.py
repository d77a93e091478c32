"""`kernels` stands alone, and nothing heavy is imported before it is needed."""

import ast
import json
import subprocess
import sys

import pytest

ROOT_NAMES = ("jax", "cupy", "dask", "distributed")
SCIENCE = ("scipy", "xarray", "pandas", "h5py", "h5netcdf", "pydantic")


def imported_names(source: str) -> set[str]:
    """Top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def loaded_after(statement: str) -> set[str]:
    """Top-level packages in `sys.modules` after a statement in a new interpreter."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_kernels_never_import_stress(root):
    modules = sorted((root / "kernels").rglob("*.py"))
    assert modules
    guilty = [str(path.relative_to(root)) for path in modules if "stress" in imported_names(path.read_text())]
    assert guilty == []


@pytest.mark.parametrize("package", ["stress", "kernels"])
def test_import_brings_no_optional_package(package):
    assert loaded_after(f"import {package}").isdisjoint(ROOT_NAMES)


def test_help_loads_little():
    statement = (
        "import sys\n"
        "from stress.cli import main\n"
        "sys.argv = ['stress', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code"
    )
    assert loaded_after(statement).isdisjoint(ROOT_NAMES + SCIENCE)
