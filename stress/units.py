"""Quantities with units: text to canonical floats, and back without loss.

    unit          written                     canonical
    DOLLARS       $19B  $1.5M  $300k  $12     USD
    SHARE         0.5%  5bp                   1
    LEVERAGE      125x                        1
    DURATION      90s  5m  4h  1d             seconds
    RATE          12/y  0.5/d                 1/year
    DOLLAR_RATE   $2B/m                       USD/second
    NUMBER        0.6  1e6                    1, without a unit
    COUNT         1000  1e5                   1, without a unit

A year has 365 days: these markets do not close. `m` is a minute, `M` a million.
Text is converted in exact rational arithmetic and rounded once, so "0.1%" is the float nearest to
0.001, and `unit.parse(unit.format(x)) == x` for every finite x.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from stress.errors import quoted

YEAR_SECONDS = 365 * 86_400

SIZES = {"": 0, "T": 12, "B": 9, "M": 6, "k": 3}
"""Powers of ten that an amount may end with."""

TIMES = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
PERIODS = {"y": YEAR_SECONDS, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

LONGEST = 60
_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = rf"(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?[0-9]{{1,3}})?"


class UnitError(ValueError):
    """A text is not the quantity that is needed."""

    def __init__(self, problem: str, why: str = "", suggestion: str = ""):
        super().__init__(problem, why, suggestion)
        self.problem, self.why, self.suggestion = problem, why, suggestion


@dataclass(frozen=True)
class Unit:
    """One kind of quantity: how it is written, and what a written one is worth."""

    noun: str
    example: str
    canonical: str
    rule: str
    factors: dict[str, Fraction] = field(repr=False, hash=False)
    """Worth of one, by what follows the number."""
    prefix: str = ""
    shown: tuple[str, ...] = ()
    """Suffixes that `format` may choose from; default all."""

    @property
    def pattern(self) -> str:
        """Regular expression of the written form, for JSON Schema."""
        suffixes = "|".join(re.escape(s) for s in self.factors if s)
        optional = "?" if "" in self.factors else ""
        tail = rf"\s*(?:{suffixes}){optional}" if suffixes else ""
        prefix = rf"(?:[+-]?{re.escape(self.prefix)}|{re.escape(self.prefix)}[+-])\s*"
        return rf"^{prefix if self.prefix else '[+-]?'}{_NUMBER}{tail}$"

    def parse(self, text: str) -> float:
        """The canonical float nearest to `text`; `UnitError` if it is another kind of thing."""
        number, suffix = self._split(text)
        value = _nearest(Fraction(Decimal(number)) * self.factors[suffix])
        if math.isinf(value):
            raise UnitError(f"{quoted(text)} is too large", "no number here can exceed 1.8e308")
        return value + 0.0  # no minus zero

    def _split(self, text: str) -> tuple[str, str]:
        if len(text) > LONGEST:
            raise UnitError(f"{quoted(text)} is too long for {self.noun}", f"at most {LONGEST} characters")
        bare = text.strip()
        match = re.fullmatch(self.pattern.strip("^$"), bare, re.ASCII)
        if not match:
            raise self._refusal(text)
        unsigned = bare.replace(self.prefix, "", 1) if self.prefix else bare
        found = re.match(rf"\s*([+-]?)\s*({_NUMBER})\s*(.*)$", unsigned, re.ASCII)
        assert found
        sign, number, suffix = found.groups()
        if re.fullmatch("0[0-9_]+", number):
            raise UnitError(
                f"{quoted(text)} begins with a zero",
                "some readers take such numbers for octal",
                f'Try "{text.replace(number, number.lstrip("0_") or "0", 1)}".',
            )
        return sign + number.replace("_", ""), suffix

    def _refusal(self, text: str) -> UnitError:
        bare = text.strip()
        if re.fullmatch(r"[+-]?\.?(?:nan|inf|infinity)", bare, re.IGNORECASE):
            return UnitError(f"{quoted(text)} is not a finite number", "nothing can be computed with it")
        if re.fullmatch(rf"[+-]?{_NUMBER}", bare, re.ASCII):
            sign, number = (bare[0], bare[1:]) if bare[0] in "+-" else ("", bare)
            suffix = "" if "" in self.factors else next(s for s in self.factors if s in self.example)
            guess = f"{sign}{self.prefix}{number}{suffix}"
            return UnitError(
                f"{quoted(text)} has no unit", f"{self.noun} is written {self.rule}", f'Try "{guess}".'
            )
        return UnitError(
            f"{quoted(text)} is not {self.noun}", f"written {self.rule}", f'Try for example "{self.example}".'
        )

    def format(self, value: float) -> str:
        """A usual short text that `parse` reads back as exactly `value`."""
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be written as {self.noun}")
        return min((self._write(value, suffix) for suffix in self.shown or self.factors), key=_reading_order)

    def _write(self, value: float, suffix: str) -> str:
        """`value` counted in `suffix`, with the fewest digits that bring it back."""
        factor = self.factors[suffix]
        amount = abs(Fraction(value)) / factor
        for digits in range(1, 18):  # 17 always suffice: half a unit of the 17th is below half an ulp
            number = _rounded(amount, digits)
            if _nearest(Fraction(number) * factor) == abs(value):
                break
        return f"{'-' if value < 0 else ''}{self.prefix}{_plain(number)}{suffix}"


def _reading_order(text: str) -> tuple[bool, int]:
    """Whole units before fractions of one, then the shorter text, then as the suffixes are listed."""
    return text.lstrip("-$").startswith("0."), len(text)


def _nearest(value: Fraction) -> float:
    """The float nearest to `value`; infinity where there is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _rounded(amount: Fraction, digits: int) -> Decimal:
    """`amount` >= 0 rounded to `digits` significant digits."""
    if not amount:
        return Decimal(0)
    exponent = len(str(amount.numerator)) - len(str(amount.denominator))
    exponent -= Fraction(10) ** exponent > amount
    units = round(amount / Fraction(10) ** (exponent - digits + 1))
    return Decimal(units).scaleb(exponent - digits + 1)


def _plain(number: Decimal) -> str:
    """Positional notation where it is short, scientific where it is not."""
    digits = number.normalize()
    if -7 <= digits.adjusted() <= 15:
        return f"{digits:f}"
    return f"{digits:e}".replace("e+", "e")


def _powers(powers: dict[str, int], per: str = "", seconds: int = 1) -> dict[str, Fraction]:
    return {s + per: Fraction(10) ** power / seconds for s, power in powers.items()}


_PERCENT = {"%": Fraction(1, 100), "bp": Fraction(1, 10_000)}
_RATES = {f"/{p}": Fraction(YEAR_SECONDS, seconds) for p, seconds in PERIODS.items()}
_DOLLAR_RATES = {k: v for p, seconds in PERIODS.items() for k, v in _powers(SIZES, f"/{p}", seconds).items()}

DOLLARS = Unit("an amount in dollars", "$1.5M", "USD", "$12, $300k, $1.5M, $19B or $1T", _powers(SIZES), "$")
SHARE = Unit("a percentage", "0.5%", "1", "0.5% or 5bp", _PERCENT, shown=("%",))
LEVERAGE = Unit("a leverage", "125x", "1", "125x", {"x": Fraction(1)})
DURATION = Unit(
    "a duration",
    "90s",
    "seconds",
    "90s, 5m, 4h or 1d",
    {suffix: Fraction(seconds) for suffix, seconds in TIMES.items()},
)
RATE = Unit("a rate in time", "12/y", "1/year", "12/y, 2/d or 1/h", _RATES)
DOLLAR_RATE = Unit(
    "an amount in dollars per time", "$2B/m", "USD/second", "$2B/m or $50k/s", _DOLLAR_RATES, "$"
)
COUNT = Unit("a whole number", "1000", "1", "without a unit, 1000 or 1e5", {"": Fraction(1)})
NUMBER = Unit("a plain number", "0.6", "1", "without a unit, 0.6 or 1e6", {"": Fraction(1)})
