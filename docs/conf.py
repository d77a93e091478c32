"""How `make docs` builds the pages: Sphinx, with Markdown through MyST."""

from importlib.metadata import version as installed_version

project = "liquidation-stress"
author = "The liquidation-stress authors"
release = version = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = project
html_show_sourcelink = False
