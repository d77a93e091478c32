"""Pages say what is there: links lead somewhere, lists are complete, codes and statuses are explained."""

import re

import pytest

from kernels.outcome import STATUS
from stress import errors

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_links_of_pages_lead_somewhere(root):
    folders = (".", "deploy", "docs", "docs/methods", "docs/formats", "notebooks")
    pages = [page for folder in folders for page in (root / folder).glob("*.md")]
    lost = [
        f"{page.relative_to(root)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text())
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert lost == []


@pytest.mark.parametrize(
    ("folder", "index", "pattern"),
    [("docs/methods", "index.md", "*.md"), ("notebooks", "README.md", "*.py")],
)
def test_lists_are_complete(root, folder, index, pattern):
    listed = LINK.findall((root / folder / index).read_text())
    found = [path.name for path in (root / folder).glob(pattern) if path.name != index]
    assert found
    assert sorted(set(found) - set(listed)) == []


def test_notebooks_are_sources(root):
    """Each has a title, and outputs are kept of none."""
    assert list((root / "notebooks").glob("*.ipynb")) == []
    for path in (root / "notebooks").glob("*.py"):
        assert "# %% [markdown]\n# # " in path.read_text(), path.name


def test_every_exit_code_and_status_is_explained(root):
    page = (root / "docs/errors.md").read_text()
    for name in ("PathError", "ConfigError", "CompileError", "BackendError", "StoreError", "Interrupted"):
        row = next(line for line in page.splitlines() if line.startswith("| ") and f"`{name}`" in line)
        assert row.startswith(f"| {getattr(errors, name).exit_code} |")
    for name, sentence in STATUS.values():
        assert f"| `{name}` | {sentence} |" in page
