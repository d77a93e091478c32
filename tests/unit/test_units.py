"""Quantities: what is read, what is refused, and that what is written reads back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress import units
from stress.units import UnitError

UNITS = {
    "dollars": units.DOLLARS,
    "share": units.SHARE,
    "leverage": units.LEVERAGE,
    "duration": units.DURATION,
    "rate": units.RATE,
    "dollar_rate": units.DOLLAR_RATE,
    "number": units.NUMBER,
}

READ = [
    ("dollars", "$19B", 19e9),
    ("dollars", "$1.5M", 1.5e6),
    ("dollars", "$300k", 300e3),
    ("dollars", "$12", 12.0),
    ("dollars", "$1T", 1e12),
    ("dollars", "-$3", -3.0),
    ("dollars", "$-3", -3.0),
    ("dollars", " $ 4.2 k ", 4200.0),
    ("share", "0.5%", 0.005),
    ("share", "5 bp", 0.0005),
    ("share", "99.99%", 0.9999),
    ("share", "0.1%", 0.001),
    ("share", "-3%", -0.03),
    ("leverage", "125x", 125.0),
    ("leverage", "0x", 0.0),
    ("duration", "90s", 90.0),
    ("duration", "5m", 300.0),
    ("duration", "4h", 14400.0),
    ("duration", "1d", 86400.0),
    ("duration", "1.94m", 116.4),
    ("rate", "12/y", 12.0),
    ("rate", "2/d", 730.0),
    ("dollar_rate", "$2B/m", 2e9 / 60),
    ("dollar_rate", "$50k/s", 50e3),
    ("number", "0.6", 0.6),
    ("number", "1e6", 1e6),
    ("number", "100_000", 1e5),
    ("number", ".5", 0.5),
    ("number", "-0", 0.0),
]

REFUSED = [
    ("dollars", "19B", "is not an amount in dollars"),
    ("dollars", "$19b", "is not an amount in dollars"),
    ("dollars", "$1,200", "is not an amount in dollars"),
    (
        "dollars",
        "12",
        'has no unit (an amount in dollars is written $12, $300k, $1.5M, $19B or $1T) Try "$12".',
    ),
    ("dollars", "$1e400", "is too large"),
    ("dollars", "$010", "begins with a zero"),
    ("share", "5", 'Try "5%".'),
    ("share", "5x", "is not a percentage"),
    ("duration", "90", 'Try "90s".'),
    ("duration", "1:30", "is not a duration"),
    ("duration", "5 min", "is not a duration"),
    ("leverage", "125", 'Try "125x".'),
    ("rate", "12", 'Try "12/y".'),
    ("dollar_rate", "$2B", "is not an amount in dollars per time"),
    ("number", "nan", "is not a finite number"),
    ("number", "-.INF", "is not a finite number"),
    ("number", "infinity", "is not a finite number"),
    ("number", "0x10", "is not a plain number"),
    ("number", "010", 'Try "10".'),
    ("number", "1__0", "is not a plain number"),
    ("number", "٣", "is not a plain number"),
    ("number", "", "is not a plain number"),
    ("number", "1e9999", "is not a plain number"),
    ("number", "1" * 61, "is too long"),
]


@pytest.mark.parametrize(("unit", "text", "value"), READ)
def test_reads(unit, text, value):
    assert UNITS[unit].parse(text) == value
    assert math.copysign(1, UNITS[unit].parse(text)) == math.copysign(1, value)


@pytest.mark.parametrize(("unit", "text", "message"), REFUSED)
def test_refuses(unit, text, message):
    with pytest.raises(UnitError) as refused:
        UNITS[unit].parse(text)
    error = refused.value
    assert message in f"{error.problem} ({error.why}) {error.suggestion}"


@pytest.mark.parametrize("unit", UNITS)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_reads_back_exactly(unit, value):
    assert UNITS[unit].parse(UNITS[unit].format(value)) == value


@pytest.mark.parametrize("unit", UNITS)
@given(text=st.text(max_size=80) | st.from_regex(r"[-+$0-9.eE_ %xkMBTsmhdy/bp]{0,20}", fullmatch=True))
def test_any_text_is_a_finite_number_or_refused(unit, text):
    try:
        value = UNITS[unit].parse(text)
    except UnitError:
        return
    assert math.isfinite(value)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("dollars", 15.02e9, "$15.02B"),
        ("dollars", 116_800.0, "$116800"),
        ("dollars", 0.0, "$0"),
        ("share", 0.0005, "0.05%"),
        ("duration", 14400.0, "4h"),
        ("duration", 60.0, "1m"),
        ("duration", 90.0, "90s"),
        ("rate", 12.0, "12/y"),
        ("dollar_rate", 2e9 / 60, "$2B/m"),
        ("leverage", 1001.0, "1001x"),
        ("number", 1e6, "1000000"),
        ("number", 1e300, "1e300"),
    ],
)
def test_writes_as_people_do(unit, value, text):
    assert UNITS[unit].format(value) == text


def test_refuses_to_write_what_is_not_finite():
    with pytest.raises(ValueError, match="cannot be written"):
        units.DOLLARS.format(math.inf)
