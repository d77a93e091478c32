"""The shell of a page that stands by itself: one HTML file with its figures, styles and scripts.

    publish(path, html("report/report.html", figures, title="...", question="..."))

Templates are files of packages below `stress`, named by where they are: "report/shell.html" is
stress/report/templates/shell.html. A page's template extends the shell and places its figures with the macro
`figure` of report/parts.html. Everything that comes from a config is escaped by Jinja; a content security
policy admits the two scripts of the page by their digests, and no connection to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from stress.report import theme
from stress.report.figure import Figure, text

INTERVAL = re.compile(r"(\S*\d[\w%]*–\S+)")

DIGITS = 5
"""Digits of numbers in figures: finer than any screen."""


def html(template: str, figures: dict[str, Figure], **values: Any) -> bytes:
    """A page from a template that extends "report/shell.html"; the same bytes for the same arguments.

    figures: by key, as the template places them
    values : what else the template names
    """
    plotly, script = plotly_source(), source("report", "page.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{digest(plotly)}' '{digest(script)}'",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    made = (
        environment()
        .get_template(template)
        .render(
            figures=figures,
            policy=policy,
            style=Markup(theme.style() + source("report", "page.css")),
            plotly=Markup(plotly),
            script=Markup(script),
            data=Markup(as_json({key: packed(figure) for key, figure in figures.items()})),
            **values,
        )
    )
    return made.encode()


def packed(figure: Figure) -> dict[str, Any]:
    """What the page's script needs of a figure; views with the first one's data have none of their own."""
    first = figure.views[0]
    views = [
        {"data": None if view is not first and view.data is first.data else view.data,
         "layout": view.layout, "narrow": view.narrow}
        for view in figure.views
    ]  # fmt: skip
    return {"height": figure.height, "views": rounded(views)}


def as_json(value: Any) -> str:
    """JSON that can stand in a script element."""
    found = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return found.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def rounded(value: Any) -> Any:
    """Numbers to five digits, what is not finite as null."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e15 else short
    if isinstance(value, dict):
        return {str(key): rounded(inert(each) if key == "hovertext" else each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def inert(value: Any) -> Any:
    """Words that show when a pointer is over a mark: text, never the kind of HTML that plotly.js knows."""
    return text(value) if isinstance(value, str) else [inert(each) for each in value]


def digest(script: str) -> str:
    """A script's digest, as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def source(package: str, name: str) -> str:
    """A template, style sheet or script of a package below `stress`."""
    return resources.files("stress").joinpath(package, "templates", name).read_text("utf-8")


@cache
def plotly_source() -> str:
    """The whole of plotly.js, as the package `plotly` brings it."""
    file = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    return file.read_text("utf-8").replace("</script", "<\\/script")


@cache
def environment() -> jinja2.Environment:
    """Where templates are found; everything is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["keep"] = keep
    return made


def keep(value: str) -> Markup:
    """Text whose intervals are not broken over lines."""
    return Markup(INTERVAL.sub(r'<span class="keep">\1</span>', str(escape(value))))


def _load(name: str) -> str | None:
    package, _, file = name.partition("/")
    try:
        return source(package, file)
    except FileNotFoundError:
        return None
