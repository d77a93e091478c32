"""How `make docs` builds the pages: Sphinx, with Markdown and notebooks through MyST-NB."""

from importlib.metadata import version as installed_version
from pathlib import Path
from shutil import copytree, ignore_patterns

project = "liquidation-stress"
author = "The liquidation-stress authors"
release = version = installed_version(project)

extensions = ["myst_nb", "sphinx.ext.mathjax"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "conf.py"]

# Text and code: `make notebooks` executes them, and what they show is not kept.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "off"

html_theme = "furo"
html_title = project
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False

# Sphinx takes pages from one folder, so notebooks are copied into it, and links between the two follow.
HERE = Path(__file__).parent
copytree(
    HERE.parent / "notebooks",
    HERE / "notebooks",
    dirs_exist_ok=True,
    ignore=ignore_patterns(".*", "__pycache__", "*.ipynb"),
)


def relink(app, docname, source):
    """Links between docs/ and notebooks/ as the repository has them become those between pages."""
    for written, meant in (("](../notebooks/", "](notebooks/"), ("](../docs/", "](../")):
        source[0] = source[0].replace(written, meant)


def setup(app):
    app.connect("source-read", relink)
