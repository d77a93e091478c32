"""`pytest tests/golden --update-golden` writes the golden files anew; read the difference first."""

import difflib
from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def golden(request):
    """Compare a text with the golden file of a name, line by line."""
    update = request.config.getoption("--update-golden", default=False)

    def compare(name, text):
        path = Path(__file__).parent / name
        if update:
            path.write_text(text)
        known = path.read_text() if path.exists() else ""
        difference = "\n".join(
            difflib.unified_diff(known.splitlines(), text.splitlines(), "golden", "now", lineterm="", n=1)
        )
        assert not difference, f"{name} has changed; if that is meant, --update-golden:\n{difference}"

    return compare
