"""The first screen: how much, how sure, compared with what, in words."""

from __future__ import annotations

from dataclasses import dataclass

from stress.cube import ALL
from stress.measures.expected_shortfall import FEW, n_beyond
from stress.numbers import ends, money, percent, times
from stress.report.figure import Number, shown, with_interval
from stress.report.figures.payers import in_use, listed, phrase
from stress.report.subject import Subject, tier_name


@dataclass(frozen=True)
class Card:
    """One number of the first screen.

    interval: "95%: $10.4–10.6B"
    compare : what it is next to
    """

    label: str
    value: str
    interval: str
    compare: str


@dataclass(frozen=True)
class Headline:
    """What a reader should know who reads no further."""

    answer: str
    sure: str
    compared: str
    cards: tuple[Card, ...]


def headline(subject: Subject) -> Headline:
    """The first screen of a report."""
    return Headline(_answer(subject), _sure(subject), _compared(subject), tuple(_cards(subject)))


def _loss(
    subject: Subject, measure: str, component: str = "total", venue: str = ALL, tier: str = ALL
) -> Number:
    return subject.number(f"loss_{measure}", component=component, venue=venue, tier=tier)


def _card(subject: Subject, label: str, number: Number, compare: str, show=money) -> Card:
    cell = shown(number, show)
    value, between = (cell, "") if isinstance(cell, str) else cell
    return Card(label, value, f"{subject.confidence_name} interval {between}" if between else "", compare)


def _answer(subject: Subject) -> str:
    """How much."""
    es, mean = _loss(subject, "es"), _loss(subject, "mean")
    if not mean["value"]:
        return f"In none of {subject.n_path:,} simulated paths is any position closed at a loss."
    if not es["value"]:
        return f"In {subject.worst}, nothing is lost on positions closed by force."
    return (
        f"In {subject.worst}, positions closed by force lose {with_interval(es)} on average; "
        f"over all paths, {with_interval(mean)}."
    )


def _sure(subject: Subject) -> str:
    """How sure."""
    es = _loss(subject, "es")
    beyond = n_beyond(subject.n_path, subject.level)
    between, kept = ends(es), "the worst path" if beyond < 1.5 else f"the {beyond:,.0f} worst"
    found = f"{subject.n_path:,} paths put the tail average at " + (
        f"${between} ({subject.confidence_name} interval, from {kept})."
        if between
        else f"{money(es['value'])}."
    )
    if beyond < FEW:
        found += f" These are fewer than {FEW} paths: the interval is a rough guide."
    return found + (
        " This interval is about chance alone. How far the model and its assumed inputs can be trusted is "
        "another question, and the larger one: see the limits below."
    )


def _compared(subject: Subject) -> str:
    """Compared with what."""
    es, held = _loss(subject, "es")["value"], subject.value("open_interest", venue=ALL, asset=ALL)
    parts = []
    if es and held:
        parts.append(f"The tail loss is {percent(es / held, 2)} of the {money(held)} of open interest.")
    parts += _against_funds(subject)
    asset = subject.assets[0]
    calm, fell = (
        subject.number(f"{name}_fall_median", asset=asset)["value"] for name in ("exogenous", "index")
    )
    if calm and fell:
        parts.append(
            f"Without anybody forced to sell, {subject.asset(asset)} falls by {percent(calm)} in the median "
            f"path; with cascades, by {percent(fell)}."
        )
    return " ".join(parts)


def _against_funds(subject: Subject) -> list[str]:
    """Deficits next to what is there to pay for them, in all and where it is least."""
    deficit = {v: _loss(subject, "es", "deficit", v)["value"] or 0.0 for v in (*subject.venues, ALL)}
    fund = {v: subject.value("prefunded", venue=v) or 0.0 for v in (*subject.venues, ALL)}
    if not deficit[ALL] or not fund[ALL]:
        return []
    over = {v: deficit[v] / fund[v] for v in subject.venues if fund[v]}
    worst = max(over, key=lambda v: over[v])
    says = (
        f"What margins do not cover in the tail is {multiple(deficit[ALL] / fund[ALL])} the "
        f"{money(fund[ALL])} that is prefunded"
    )
    if len(over) == 1:
        return [f"{says}."]
    if over[worst] >= 1:
        return [
            f"{says}, but funds do not pay for each other: {subject.venue(worst)} would need "
            f"{times(over[worst], 2)} its own."
        ]
    return [f"{says}; on {subject.venue(worst)}, where it is most, {multiple(over[worst])} its own."]


def multiple(ratio: float) -> str:
    """How many times, or which part of: "25x", "19% of"."""
    if ratio >= 1:
        return times(ratio, 2)
    return f"{percent(ratio, 2)} of" if ratio >= 0.001 else "less than 0.1% of"


def _cards(subject: Subject) -> list[Card]:
    level = subject.level_name
    return [
        _card(subject, f"Tail loss ({level} ES)", _loss(subject, "es"), _share_of_interest(subject)),
        _card(
            subject,
            f"Exceeded in 1 of {1 / (1 - subject.level):.4g} paths ({level} VaR)",
            _loss(subject, "var"),
            f"average path: {with_interval(_loss(subject, 'mean'))}",
        ),
        _deficit(subject),
        _exhaustion(subject),
        _worst(subject, "venue"),
        _worst(subject, "tier"),
        _amplified(subject),
        _forced(subject),
    ]


def _share_of_interest(subject: Subject) -> str:
    es, held = _loss(subject, "es")["value"], subject.value("open_interest", venue=ALL, asset=ALL)
    return f"{percent(es / held, 2)} of open interest, {money(held)}" if es and held else ""


def _deficit(subject: Subject) -> Card:
    """What margin does not cover, and who pays for it on average."""
    mean = _loss(subject, "mean", "deficit")["value"] or 0.0
    parts = [
        f"{percent((_loss(subject, 'mean', name)['value'] or 0.0) / mean, 2)} {phrase(name)}"
        for name in in_use(subject)
        if mean and (_loss(subject, "mean", name)["value"] or 0.0) / mean >= 0.005
    ]
    pays = f"who pays, on average: {listed(parts)}" if parts else "nobody has to pay"
    return _card(
        subject, f"Beyond margin (deficit, {subject.level_name} ES)", _loss(subject, "es", "deficit"), pays
    )


def _exhaustion(subject: Subject) -> Card:
    any_fund = subject.number("exhaustion_probability", venue=ALL)
    each = {v: subject.number("exhaustion_probability", venue=v) for v in subject.venues}
    ranked = sorted(subject.venues, key=lambda v: -(each[v]["value"] or 0.0))
    first = [f"{subject.venue(v)} {percent(each[v]['value'], 2)}" for v in ranked[:3] if each[v]["value"]]
    return _card(
        subject,
        "Chance that some insurance fund runs dry",
        any_fund,
        f"most often: {', '.join(first)}" if first else "none does in any path",
        percent,
    )


def _worst(subject: Subject, dim: str) -> Card:
    """The venue or tier with the largest tail loss."""
    keys = subject.venues if dim == "venue" else subject.tiers
    found = {key: _loss(subject, "es", **{dim: key}) for key in keys}
    ranked = sorted(keys, key=lambda key: -(found[key]["value"] or 0.0))
    name = subject.venue if dim == "venue" else tier_name
    of = f"Worst {'venue' if dim == 'venue' else 'leverage tier'}"
    if not found[ranked[0]]["value"]:
        return _card(subject, of, found[ranked[0]], "none loses anything")
    then = f"then {name(ranked[1])}, {with_interval(found[ranked[1]])}" if len(ranked) > 1 else ""
    return _card(subject, f"{of}: {name(ranked[0])}", found[ranked[0]], then)


def _amplified(subject: Subject) -> Card:
    """What cascades make of a fall."""
    found = {a: subject.number("amplification_ratio", asset=a) for a in subject.assets}
    first = subject.assets[0]
    most = max(subject.assets, key=lambda a: found[a]["value"] or 0.0)
    calm, fell = (
        subject.number(f"{name}_fall_median", asset=first)["value"] for name in ("exogenous", "index")
    )
    compare = f"falls by {percent(fell)} instead of {percent(calm)}" if calm and fell else ""
    if most != first and found[most]["value"]:
        compare += f"; most: {subject.asset(most)}, {times(found[most]['value'])}"
    return _card(
        subject, f"{subject.asset(first)}: cascades multiply the (log) fall by", found[first], compare, times
    )


def _forced(subject: Subject) -> Card:
    both = {"venue": ALL, "asset": ALL}
    part = subject.number("liquidated_share_median", **both)
    compare = f"{with_interval(part, percent)} of open interest" if part["value"] is not None else ""
    return _card(
        subject,
        "Closed by force, median path",
        subject.number("liquidated_median", side="both", **both),
        compare,
    )
