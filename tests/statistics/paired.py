"""The tool that measures paired intervals, `tools/comparison_coverage.py`, for tests."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "comparison_coverage", Path(__file__).parents[2] / "tools/comparison_coverage.py"
)
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)
sections_of = tool.sections_of
