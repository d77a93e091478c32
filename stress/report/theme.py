"""Colours by what they mean, for light and dark: tokens that style sheet and figures share.

A figure names a token ("--venue-0", "--fund 0.2" with an opacity); the page puts in what it stands for in the
theme of the moment. Venues have the colours of Tol's scheme `muted`, a little darker or lighter where the
background asks for it; meanings those of Okabe and Ito. Both schemes can be told apart by the colour blind.
"""

from __future__ import annotations

N_VENUE_COLOUR = 9
DASHES = ("solid", "dash")
"""Of lines of the first nine venues, and of those after them."""

LIGHT = {
    "page": "#f6f7f8", "card": "#ffffff", "ink": "#16191d", "muted": "#56606b", "line": "#dde1e6",
    "accent": "#0b5cad", "notice": "#fff6e0", "notice-line": "#e0b34d",
    "calm": "#0072b2", "forced": "#d55e00", "mean": "#8aa9c4", "var": "#3f7cac", "es": "#10385c",
    "margin": "#8d97a2", "fund": "#0072b2", "own": "#56b4e9", "default": "#009e73", "assess": "#7a8f2a",
    "adl": "#b0578f", "social": "#d99000", "nobody": "#c64600", "rest": "#b4bcc5",
    "venue-0": "#332288", "venue-1": "#4aa5d6", "venue-2": "#2f9c8a", "venue-3": "#117733",
    "venue-4": "#8a8a2b", "venue-5": "#c79f2c", "venue-6": "#cc6677", "venue-7": "#882255",
    "venue-8": "#aa4499",
    "heat-0": "#f3f6f9", "heat-1": "#cfe1ee", "heat-2": "#93c0dc", "heat-3": "#3f86b3", "heat-4": "#1f649a",
    "heat-5": "#124673", "heat-6": "#0a2745",
}  # fmt: skip

DARK = {
    "page": "#0f1215", "card": "#171b20", "ink": "#e9ecef", "muted": "#a3adb8", "line": "#2d343c",
    "accent": "#7db8f0", "notice": "#2a2414", "notice-line": "#8a6d1f",
    "calm": "#56b4e9", "forced": "#f0894a", "mean": "#5f7f9b", "var": "#7fb2dd", "es": "#d6e8f8",
    "margin": "#7b8792", "fund": "#56b4e9", "own": "#9bd3f3", "default": "#2fbf97", "assess": "#b3c659",
    "adl": "#d68ebb", "social": "#edb24a", "nobody": "#f0894a", "rest": "#56606b",
    "venue-0": "#968bec", "venue-1": "#88ccee", "venue-2": "#4dbfae", "venue-3": "#5cb878",
    "venue-4": "#b9b94f", "venue-5": "#e3cd78", "venue-6": "#e58f9b", "venue-7": "#d0679c",
    "venue-8": "#cb86c2",
    "heat-0": "#1b2229", "heat-1": "#15293b", "heat-2": "#163f5f", "heat-3": "#1b5781", "heat-4": "#2470a3",
    "heat-5": "#3a8bbd", "heat-6": "#b5def2",
}  # fmt: skip

HEAT = [[i / 6, f"--heat-{i}"] for i in range(7)]
"""From little to much."""


def venue_colour(number: int) -> str:
    """Token of a venue's colour, the same in every figure."""
    return f"--venue-{number % N_VENUE_COLOUR}"


def venue_dash(number: int) -> str:
    """How a venue's line is drawn."""
    return DASHES[number // N_VENUE_COLOUR % len(DASHES)]


def style() -> str:
    """Both themes as a style sheet: the reader's choice, else that of the system; paper is light."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in each.items()) for each in (LIGHT, DARK))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"@media print{{:root:root{{color-scheme:light;{light}}}}}\n"
    )
