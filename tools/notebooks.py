"""Executes notebooks, each from a clean kernel in a process of its own: `make notebooks`.

    python tools/notebooks.py notebooks build/notebooks

Sources are scripts in the percent format; what they show goes into a second folder as .ipynb. Stops at the
first error, with its traceback.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

MOST_SECONDS = 300
"""Of one cell: a notebook that hangs ends. A minute for a whole notebook is what they are written for."""


def execute(source: Path, target: Path) -> float:
    """One notebook, from top to bottom; seconds that it took."""
    notebook = jupytext.read(source, fmt="py:percent")
    began = time.monotonic()
    where = {"metadata": {"path": source.parent}}
    with TemporaryDirectory() as folder:  # of sockets: no port is opened
        settings = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        NotebookClient(notebook, timeout=MOST_SECONDS, resources=where, config=settings).execute()
    nbformat.write(notebook, target / f"{source.stem}.ipynb")
    return time.monotonic() - began


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    notebooks = sorted(source.glob("*.py"))
    if not notebooks:
        sys.exit(f"{source} has no notebooks")
    for notebook in notebooks:
        print(f"{notebook.name:30s} {execute(notebook, target):5.1f} s", flush=True)


if __name__ == "__main__":
    main()
