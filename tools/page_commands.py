"""Runs every command of a page, so that it stays true: `make docs`.

    python tools/page_commands.py docs/start.md

Commands are the lines that begin with "$ stress". They run one after the other, as they are written, in a
folder that has nothing but the project's `configs`; the first that fails ends it.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = re.compile(r"^\$ (stress .*)$", re.M)


def main() -> None:
    page = Path(sys.argv[1])
    commands = COMMAND.findall(page.read_text())
    if not commands:
        sys.exit(f"{page} has no commands")
    here = Path(sys.executable).parent
    path = {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "configs").symlink_to(Path(__file__).parents[1] / "configs")
        for command in commands:
            print(f"$ {command}", flush=True)
            done = subprocess.run(
                ["bash", "-c", command], cwd=folder, env=path, capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"{page}: `{command}` ends with {done.returncode}\n{done.stderr}")


if __name__ == "__main__":
    main()
