"""Figures of the report by themselves, for notebooks: what `cube.stress.plot` gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.errors import ConfigError
from stress.report.figure import Figure
from stress.report.theme import LIGHT

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from stress.report.subject import Subject


class Plot:
    """Figures of a run as plotly has them, of the whole run, whatever the dataset was cut down to."""

    def __init__(self, file: Callable[[], Path]):
        self._file = file

    def heatmap(self) -> go.Figure:
        """Losses by venue and leverage tier; a menu has the levels."""
        from stress.report.figures.losses import heat

        return self._drawn(heat)

    def exceedance(self) -> go.Figure:
        """Probability of a larger loss, venue by venue."""
        from stress.report.figures.losses import exceedance

        return self._drawn(exceedance)

    def waterfall(self) -> go.Figure:
        """Who paid for losses, on average; a menu has the venues."""
        from stress.report.figures.payers import waterfall

        return self._drawn(waterfall)

    def _drawn(self, make: Callable[[Subject], Figure | None]) -> go.Figure:
        from stress.report.subject import subject

        made = make(subject(self._file()))
        if made is None:
            raise ConfigError("there is nothing to draw (no path of the run lost anything).")
        return drawn(made)


def drawn(figure: Figure) -> go.Figure:
    """A figure of a page in the light theme; its views in a menu where it has several."""
    import plotly.graph_objects as go

    states = [_state(figure, i) for i in range(len(figure.views))]
    traces = [(trace, i) for i, (data, _) in enumerate(states) for trace in data]
    made = go.Figure([{**trace, "visible": i == 0} for trace, i in traces], states[0][1])
    if len(states) > 1:
        buttons = [
            {
                "label": view.label,
                "method": "update",
                "args": [{"visible": [i == at for _, i in traces]}, states[at][1]],
            }
            for at, view in enumerate(figure.views)
        ]
        menu = {"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
        made.update_layout(updatemenus=[menu])
    return made


def _state(figure: Figure, i: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Traces and layout of one view, with colours in place of their names."""
    view = figure.views[i]
    axis = {"automargin": True, "gridcolor": "--line", "linecolor": "--line", "zeroline": False}
    layout = {
        "title": {"text": figure.title, "x": 0, "xanchor": "left", "xref": "paper", "font": {"size": 17}},
        "height": figure.height + 90,
        "paper_bgcolor": "--card",
        "plot_bgcolor": "--card",
        "font": {"size": 13, "color": "--ink"},
        "margin": {"l": 8, "r": 24, "t": 70, "b": 40},
        "hovermode": "closest",
        **view.layout,
    }
    for name in ("xaxis", "yaxis"):
        layout[name] = axis | view.layout.get(name, {})
    return [_coloured(trace) for trace in view.data], _coloured(layout)


def _coloured(value: Any) -> Any:
    """Names of the theme, "--fund 0.2", as colours."""
    if isinstance(value, str):
        return _colour(value) if value.startswith("--") else value
    if isinstance(value, dict):
        return {key: _coloured(each) for key, each in value.items()}
    return [_coloured(each) for each in value] if isinstance(value, list | tuple) else value


def _colour(name: str) -> str:
    token, _, opacity = name.removeprefix("--").partition(" ")
    found = LIGHT[token]
    if not opacity:
        return found
    red, green, blue = (int(found[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
