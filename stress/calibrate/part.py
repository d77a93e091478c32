"""What was found as a part of a config: keys that the language knows, everything else in comments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from stress import units
from stress.calibrate.book import Book, Snapshots
from stress.calibrate.intervals import Estimate
from stress.calibrate.jumps import OwnJumps
from stress.calibrate.mix import Mix, Observations, percentages
from stress.calibrate.prices import describe
from stress.calibrate.study import Study
from stress.errors import printable
from stress.provenance import package_version
from stress.store import timestamp

KINDS = ("gbm", "student_t", "jump_diffusion", "stochastic_vol", "regime_switching")
CALM_NAMES = {2: ("calm", "wild"), 3: ("calm", "lively", "wild")}

Show = Callable[[float], str]


def plain(value: float, error: float, unit: float = 1.0) -> str:
    """A number with as many digits as its error leaves a meaning, and one more."""
    value, error = value / unit, error / unit
    if not math.isfinite(error) or error <= 0:
        return f"{value:.4g}"
    places = 1 - math.floor(math.log10(error))
    return f"{value:.{min(max(places, 0), 12)}f}"


def interval(found: Estimate, suffix: str = "", unit: float = 1.0, prefix: str = "") -> str:
    """The interval and the standard error, for a comment."""
    if not math.isfinite(found.lower):
        return "no interval"

    numbers = (plain(x, found.error, unit) for x in (found.lower, found.upper, found.error))
    lower, upper, error = (f"{prefix}{text}{suffix}" for text in numbers)
    return f"{lower} to {upper}, se {error}"


def shown(found: Estimate) -> str:
    """A plain number with its interval, for a sentence."""
    return f"{plain(found.value, found.error)} ({interval(found)})"


def percent(found: Estimate) -> str:
    return f"{plain(found.value, found.error, 0.01)}%"


def line(indent: int, key: str, text: str, comment: str = "") -> str:
    whole = f"{' ' * indent}{key}: {text}" if text else f"{' ' * indent}{key}:"
    return f"{whole}    # {comment}" if comment else whole


def share(indent: int, key: str, found: Estimate) -> str:
    """A percentage with its interval."""
    return line(indent, key, percent(found), interval(found, "%", 0.01))


def number(indent: int, key: str, found: Estimate) -> str:
    return line(indent, key, plain(found.value, found.error), interval(found))


def duration(seconds: float, error: float = math.nan) -> str:
    """A duration in the largest usual unit that it fills."""
    if math.isinf(seconds):
        return "no end"
    for suffix, size in (("d", 86_400.0), ("h", 3_600.0), ("m", 60.0)):
        if seconds >= size:
            return plain(seconds, error, size) + suffix
    return plain(seconds, error) + "s"


def lasting(indent: int, key: str, found: Estimate, unit: float = 1.0) -> str:
    """A duration with its interval; `unit` seconds to the estimate's own unit."""
    ends = " to ".join(duration(unit * end) for end in (found.lower, found.upper))
    return line(indent, key, duration(unit * found.value, unit * found.error), ends)


def rate(found: Estimate) -> str:
    return f"{plain(found.value, found.error)}/y"


def bar_name(seconds: float) -> str:
    return units.DURATION.format(seconds)


def header(what: str, facts: list[str]) -> list[str]:
    lines = [f"# {what}", f"# by liquidation-stress {package_version()}, {timestamp()}.", "#"]
    lines += [f"# {printable(fact)}" for fact in facts]
    last = "# Behind each number: its 95% interval and its standard error (docs/methods/calibration.md)."
    return [*lines, "#", last, "", "schema_version: 1", ""]


def commented(lines: list[str]) -> list[str]:
    return [f"# {text}".rstrip() for text in lines]


def prices_part(found: Study, kind: str) -> str:
    """The part for what was found in price files, with dynamics of one kind."""
    facts = [
        f"{s.file} (sha256 {s.sha256}): {', '.join(s.assets)}; bars of {bar_name(s.bar)}"
        for s in found.sources
    ]
    facts.append(
        f"{describe(found.first)} to {describe(found.last)}: {found.n_bar:,} bars of {bar_name(found.bar)}, "
        f"{found.n_joint:,} with returns of all assets"
    )
    facts += [f"Factor {name}: {f.source.file} (sha256 {f.source.sha256}), {f.n:,} returns"
              for name, f in found.factors.items()]  # fmt: skip
    facts += [f"Note: {note}" for note in found.notes]
    lines = header("Estimated from prices by `stress calibrate prices`,", facts)
    lines += [*assets(found, kind), "", *correlation(found), ""]
    blocks = {name: block for name in KINDS if (block := dynamics(found, name))}
    lines += [*blocks.get(kind, ["dynamics:", "  kind: gbm"]), ""]
    if found.factors:
        lines += [*factors(found), ""]
    lines.append("# The same prices in other words. One of these can take the place of `dynamics` above.")
    for name, block in blocks.items():
        if name not in (kind, "gbm"):
            lines += ["", *commented(block)]
    return "\n".join([*lines, "", *commented(list(remarks(found))), ""])


def price(value: float) -> str:
    """A price in dollars, small ones not in billionths of a billion."""
    text = f"{value:.8g}"
    return units.DOLLARS.format(value) if "e" in text else f"${text}"


def assets(found: Study, kind: str) -> Iterator[str]:
    yield "assets:"
    for name in found.assets:
        volatility, note = found.volatility[name], ""
        if kind == "jump_diffusion" and found.jumps and name in found.joint:
            volatility, note = found.jumps.volatility[found.joint.index(name)], "; without the jumps"
        yield f"  {name}:"
        yield line(4, "name", name)
        yield line(4, "price", price(found.price[name]), "the last one")
        yield share(4, "volatility", volatility) + note
        if name in found.calm_volatility:
            yield share(4, "calm_volatility", found.calm_volatility[name])
        else:
            yield "    # calm_volatility: not estimated"


def correlation(found: Study) -> Iterator[str]:
    if len(found.assets) == 1:
        yield "correlation: 0    # there is one asset"
        return
    bar, mixed = bar_name(found.correlation_bar), f"{found.shrinkage:.0%}"
    yield f"correlation:    # of {bar}; {mixed} of the constant correlation mixed in (Ledoit and Wolf 2004)"
    yield f"  assets: [{', '.join(found.assets)}]"
    yield "  matrix:"
    for a, row in zip(found.assets, found.correlation, strict=True):
        errors = [e.error for pair, e in found.pairs.items() if a in pair]
        yield f"    - [{', '.join(f'{x:.4f}' for x in row)}]    # {a}, se at most {max(errors):.3f}"


def dynamics(found: Study, kind: str) -> list[str]:
    """The block of one kind; empty where nothing was estimated for it."""
    head = ["dynamics:", f"  kind: {kind}"]
    if kind == "gbm":
        return head
    if kind == "student_t" and found.freedom:
        window = found.window or min(found.freedom)
        mixing = "path" if window > found.bar else "step"
        note = (
            f"one scale for {bar_name(window)}: the run should be about as long" if mixing == "path" else ""
        )
        freedom = number(2, "degrees_of_freedom", found.freedom[window])
        return [*head, freedom, line(2, "mixing", mixing, note)]
    if kind == "stochastic_vol" and found.stochastic_vol:
        law = found.stochastic_vol
        half_life = lasting(2, "half_life", law.half_life, found.bar)
        return [*head, half_life, share(2, "deviation", law.deviation), number(2, "leverage", law.leverage)]
    if kind == "regime_switching" and found.regimes:
        return [*head, *regime_lines(found)]
    if kind == "jump_diffusion" and found.jumps and (found.jumps.common or found.jumps.own):
        return [*head, *jump_lines(found)]
    return []


def regime_lines(found: Study) -> Iterator[str]:
    k = len(found.regimes)
    names = CALM_NAMES.get(k) or tuple(f"state_{i + 1}" for i in range(k))
    yield "  regimes:"
    for name, regime in zip(names, found.regimes, strict=True):
        yield line(4, name, "", f"{percent(regime.share)} of the time: {interval(regime.share, '%', 0.01)}")
        yield lasting(6, "mean_duration", regime.duration)
        if regime.next:
            shares = percentages({names[j]: e.value for j, e in regime.next.items()})
            yield f"      next: {{{', '.join(f'{to}: {text}' for to, text in shares.items())}}}"
        yield "      volatilities:"
        for asset, volatility in zip(found.joint, regime.volatility, strict=True):
            yield share(8, asset, volatility)
        if len(found.joint) > 1 and found.joint_is_all:
            yield "      correlation:"
            yield f"        assets: [{', '.join(found.joint)}]"
            yield "        matrix:"
            for a, row in enumerate(regime.correlation):
                errors = [e.error for pair, e in regime.pairs.items() if a in pair]
                yield f"          - [{', '.join(f'{x:.4f}' for x in row)}]    # se at most {max(errors):.3f}"


def jump_lines(found: Study) -> Iterator[str]:
    law = found.jumps
    assert law is not None
    diffusive = ", ".join(f"{a} {percent(v)}" for a, v in zip(found.joint, law.volatility, strict=True))
    yield f"  # With these jumps `volatility` is what is left without them: {diffusive}"
    if law.common:
        yield f"  common:    # as {found.joint[0]} jumps; betas of the others"
        yield from jump_numbers(4, law.common)
        if law.betas:
            yield "    betas:"
            for name, found_beta in zip(found.joint[1:], law.betas, strict=True):
                yield number(6, name, found_beta)
    if law.own:
        yield "  own:"
        for a, own in law.own.items():
            yield f"    {found.joint[a]}:"
            yield from jump_numbers(6, own)


def jump_numbers(indent: int, law: OwnJumps) -> Iterator[str]:
    yield line(indent, "rate", rate(law.rate), interval(law.rate, "/y"))
    yield share(indent, "mean", law.mean)
    yield share(indent, "deviation", law.deviation)


def factors(found: Study) -> Iterator[str]:
    yield "factors:"
    for name, factor in found.factors.items():
        yield f"  {name}:"
        yield line(4, "name", name)
        yield share(4, "volatility", factor.volatility)
        yield line(4, "correlations", "")
        for asset, e in factor.correlations.items():
            yield number(6, asset, e)
        yield line(4, "betas", "", "slopes of least squares")
        for asset, e in factor.betas.items():
            yield number(6, asset, e)


def remarks(found: Study) -> Iterator[str]:
    """What the config language has no key for."""
    yield "For comparison; no keys of the config language:"
    for window, e in found.freedom.items():
        yield f"degrees of freedom, one scale for {bar_name(window)}: {shown(e)}"
    if found.block:
        yield f"bootstrap: mean_block about {duration(found.block)} (Politis and White 2004, squared returns)"
    for name, e in found.range_volatility.items():
        yield f"volatility of {name} by high and low (Parkinson 1980): {percent(e)}, {interval(e, '%', 0.01)}"
    for name, law in found.garch.items():
        half = law.half_life
        ends = " to ".join(duration(found.bar * end) for end in (half.lower, half.upper))
        yield f"GARCH(1,1) of {name}: alpha {shown(law.alpha)}, beta {shown(law.beta)},"
        yield f"    half-life of the variance {duration(found.bar * half.value)} ({ends})"
    base = found.joint[0]
    for name, e in found.tail_betas.items():
        bars = bar_name(found.correlation_bar)
        yield f"beta of {name} in the worst 1% of {bars} of {base}: {shown(e)}"
    for what, pairs in (("calmer half", found.calm_correlation), ("wildest tenth", found.wild_correlation)):
        for (a, b), e in pairs.items():
            yield f"correlation of {a} and {b}, {what} of days: {shown(e)}"


def book_part(found: Book, source: Snapshots, venue: str | None, asset: str | None) -> str:
    """The part for an order book; depth under a market where one is named."""
    facts = [
        f"{source.file} (sha256 {source.sha256}): {len(source.times):,} snapshots, "
        f"{describe(source.times[0])} to {describe(source.times[-1])}",
        f"Bands of {', '.join(f'{b:g}%' for b in source.bands)}; the fitted book is off by up to "
        f"{found.misfit:.0%}",
    ]
    lines = header("Estimated from band depths by `stress calibrate book`,", facts)
    shape = [number(0, "shape", found.shape)]
    if found.shape.value > 1:
        last = float(source.bands[-1])
        shape.append(f"band: {last:g}%    # the last one that was observed")
        shape.append(f"hard_end: {2 * last:g}%    # ASSUMPTION: twice that; nothing is known beyond it")
    depth = line(0, "depth", dollars(found.depth.value), money(found.depth))
    sides = [f"# {side}s: {dollars(e.value)} ({money(e)})" for side, e in found.by_side.items()]
    sides.append(f"# by all bands together: {dollars(found.fitted.value)} ({money(found.fitted)})")
    if venue and asset:
        lines += ["venues:", f"  {venue}:", "    markets:", f"      {asset}:"]
        lines += [" " * 8 + text for text in [depth, *sides, "book:"]]
        lines += [" " * 10 + text for text in shape]
    else:
        lines += ["books:", *("  " + text for text in shape), *commented([depth]), *sides]
    return "\n".join([*lines, ""])


def dollars(value: float, n_digit: int = 4) -> str:
    """Dollars with so many digits, as the config language reads them."""
    return units.DOLLARS.format(float(f"{value:.{n_digit}g}"))


def money(found: Estimate) -> str:
    return f"{dollars(found.lower)} to {dollars(found.upper)}, se {dollars(found.error, 2)}"


def mix_part(found: Mix, source: Observations, config: str, name: str, factors: Mapping[str, float]) -> str:
    """The part for a leverage mix."""
    facts = [
        f"{source.file} (sha256 {source.sha256}): {len(source.share)} observations",
        f"Simulated with {config}, {found.paths} paths; what is left unexplained is a factor of "
        f"{math.exp(found.residual):.2f}",
        f"Leverage, log-normal: median {plain(found.median.value, found.median.error)}x "
        f"({interval(found.median, 'x')}), sigma {shown(found.sigma)}",
        "Reporting factors: " + (", ".join(f"{v} {f:g}" for v, f in factors.items()) or "1, all is reported"),
    ]
    lines = header("Estimated from liquidations by `stress calibrate mix`,", facts)
    lines += ["mixes:", f"  {name}:", "    long:"]
    for tier, text in percentages({t: e.value for t, e in found.shares.items()}).items():
        lines.append(line(6, tier, text, interval(found.shares[tier], "%", 0.01)))
    return "\n".join([*lines, ""])


def as_json(value: Any) -> Any:
    """Everything that was found, for JSON."""
    if isinstance(value, Estimate):
        return value.as_dict()
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, Mapping):
        return {_key(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: as_json(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _key(key: Any) -> str:
    return "-".join(map(str, key)) if isinstance(key, tuple) else str(key)
