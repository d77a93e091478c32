"""What terminal and page say alike of a replayed path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernels.outcome import STATUS
from stress.cube import ALL
from stress.numbers import money
from stress.replays.story import leverage

if TYPE_CHECKING:
    from stress.replays.path import Recorded, Replay

PAYER_HEADS = {
    "fund_draw": "fund", "own_capital": "own capital", "default_fund": "default fund",
    "assessments": "assessments", "adl": "ADL", "socialised": "socialised", "bad_debt": "bad debt",
}  # fmt: skip


def said_of(replay: Replay) -> str:
    """What is to be said of the path; empty: nothing."""
    sentences = dict(STATUS.values())
    return "; ".join(f"{word} ({sentences[word]})" for word in replay.status)


def where(place: Recorded) -> str:
    """A cell of the lists of worst paths, in words."""
    venue = "all venues" if place.venue == ALL else place.venue
    return venue if place.tier == ALL else f"{venue}, tier {leverage(place.tier)}"


def shown(replay: Replay) -> list[Recorded]:
    """The places worth a line: the one asked for, and that among all."""
    overall = [place for place in replay.recorded if place.venue == place.tier == ALL]
    chosen = [replay.asked] if replay.asked else []
    chosen += [place for place in overall if place not in chosen]
    return chosen or list(replay.recorded[:1])


def gap(dollars: float) -> str:
    """What rounding leaves, in dollars."""
    return "0" if dollars == 0 else "<$1" if abs(dollars) < 1 else money(abs(dollars), 2)
