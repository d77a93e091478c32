"""What every config model is made of: strict models, and quantities that carry their unit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import core_schema

from stress import units
from stress.errors import quoted
from stress.units import Unit, UnitError

VERSION = 1
"""Version of the config language."""


class Strict(BaseModel):
    """Frozen, without unknown keys; the docstring of an attribute is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Quantity:
    """Marks a float as written with a unit, and bounds it."""

    unit: Unit
    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def parse(self, text: str) -> float:
        """The canonical float of `text`; `UnitError` where it is not a quantity within the bounds."""
        value = self.unit.parse(_written(text, self.unit.noun))
        for bound, broken, words in (
            (self.least, lambda b: value < b, "at least"),
            (self.above, lambda b: value <= b, "more than"),
            (self.most, lambda b: value > b, "at most"),
            (self.below, lambda b: value >= b, "less than"),
        ):
            if bound is not None and broken(bound):
                what = "negative" if value < 0 <= bound else "out of range"
                raise UnitError(f"{quoted(text)} is {what}", f"it must be {words} {self.unit.format(bound)}")
        return value

    @property
    def range(self) -> str:
        """The bounds in words, for the documentation."""
        named = (
            ("at least", self.least),
            ("more than", self.above),
            ("at most", self.most),
            ("less than", self.below),
        )
        return ", ".join(f"{words} {self.unit.format(b)}" for words, b in named if b is not None)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.unit.format, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        text = {
            "type": "string",
            "pattern": self.unit.pattern,
            "examples": [self.unit.example],
            "x-unit": self.unit.canonical,
            "x-rule": self.unit.rule,
            "x-range": self.range,
        }
        if self.unit is units.NUMBER:
            return {**text, "type": ["number", "string"]}
        return text


def describe(value: Any) -> str:
    """What a value is, in words, where something else was needed."""
    kinds = {dict: "a mapping", list: "a list", str: "text"}
    return kinds.get(type(value), f"a Python {type(value).__name__}")


def _written(value: Any, needed: str) -> str:
    if not isinstance(value, str):
        raise UnitError(f"is {describe(value)}", f"{needed} is needed")
    return value


def _whole(text: Any) -> int:
    value = units.COUNT.parse(_written(text, "a whole number"))
    if value != int(value):
        raise UnitError(f"{quoted(text)} is not a whole number", "things are counted here")
    return int(Decimal(text.strip().replace("_", "")))


def _truth(text: Any) -> bool:
    if _written(text, "true or false") not in ("true", "false"):
        raise UnitError(
            f"{quoted(text)} is neither true nor false", "no other words count as yes or no", 'Try "true".'
        )
    return text == "true"


@dataclass(frozen=True)
class Bounds:
    """Bounds of a whole number."""

    least: int
    most: int

    def __call__(self, text: Any) -> int:
        value = _whole(text)
        if not self.least <= value <= self.most:
            raise UnitError(f"{quoted(text)} is out of range", f"it must be {self.least} to {self.most}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self,
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {
            "type": ["integer", "string"],
            "x-unit": "",
            "x-rule": "a whole number",
            "x-range": f"{self.least} to {self.most}",
        }


def _text(value: Any) -> str:
    if not _written(value, "text").strip():
        raise UnitError("is empty", "it is shown to whoever reads the results")
    return value


def _version(text: Any) -> int:
    if _whole(text) != VERSION:
        raise UnitError(
            f"version {quoted(text)} of the config language is not known",
            f"this program reads version {VERSION}",
            f'Try "{VERSION}", or another release of the program.',
        )
    return VERSION


Text = Annotated[str, StringConstraints(max_length=20_000), BeforeValidator(_text)]
"""Free text, not empty."""

Truth = Annotated[
    bool,
    BeforeValidator(_truth),
    PlainSerializer(lambda value: str(value).lower(), return_type=str, when_used="json"),
    WithJsonSchema({"type": "boolean"}),
]

MOST_DOLLARS = 1e15
"""More than all there is; past it, single precision loses what a market is made of."""

SHORTEST, LONGEST = 0.01, 36_500 * 86_400.0
"""Ten milliseconds and a century, in seconds: what is meant takes no less, and no more."""

MOST = 1e6
"""Largest plain number, either way."""

Dollars = Annotated[float, Quantity(units.DOLLARS, least=0, most=MOST_DOLLARS)]
SignedDollars = Annotated[float, Quantity(units.DOLLARS, least=-MOST_DOLLARS, most=MOST_DOLLARS)]
PositiveDollars = Annotated[float, Quantity(units.DOLLARS, above=0, most=MOST_DOLLARS)]
Depth = Annotated[float, Quantity(units.DOLLARS, least=1, most=MOST_DOLLARS)]
Share = Annotated[float, Quantity(units.SHARE, least=0, most=1)]
ShareOfDepth = Annotated[float, Quantity(units.SHARE, least=0, below=1)]
PartShare = Annotated[float, Quantity(units.SHARE, above=0, below=1)]
Percentage = Annotated[float, Quantity(units.SHARE, least=-1e4, most=1e4)]
PositivePercentage = Annotated[float, Quantity(units.SHARE, above=0, most=100)]
NonNegativePercentage = Annotated[float, Quantity(units.SHARE, least=0, most=100)]
Return = Annotated[float, Quantity(units.SHARE, above=-1)]
Leverage = Annotated[float, Quantity(units.LEVERAGE, least=0)]
PositiveLeverage = Annotated[float, Quantity(units.LEVERAGE, above=0)]
Spread = Annotated[float, Quantity(units.SHARE, least=0, most=3)]
MaximumLeverage = Annotated[float, Quantity(units.LEVERAGE, least=1)]
Duration = Annotated[float, Quantity(units.DURATION, least=SHORTEST, most=LONGEST)]
Instant = Annotated[float, Quantity(units.DURATION, least=0, most=LONGEST)]
Rate = Annotated[float, Quantity(units.RATE, least=0)]
DollarRate = Annotated[float, Quantity(units.DOLLAR_RATE, above=0)]
Number = Annotated[float, Quantity(units.NUMBER, least=-MOST, most=MOST)]
PositiveNumber = Annotated[float, Quantity(units.NUMBER, above=0, most=MOST)]
NonNegativeNumber = Annotated[float, Quantity(units.NUMBER, least=0, most=MOST)]
Multiplier = Annotated[float, Quantity(units.NUMBER, least=0, most=1000)]


@dataclass(frozen=True)
class Otherwise:
    """Marks an optional quantity that a word switches off: `never`, `unlimited`."""

    word: str
    quantity: Quantity

    def parse(self, text: Any) -> float | None:
        """None for the word, else the quantity."""
        return None if text == self.word else self.quantity.parse(text)

    def format(self, value: float | None) -> str:
        """The word for None, else the quantity."""
        return self.word if value is None else self.quantity.unit.format(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.format, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        quantity = self.quantity.__get_pydantic_json_schema__(schema, handler)
        rule = f"{quantity['x-rule']}, or {self.word}"
        return {**quantity, "pattern": f"{quantity['pattern']}|^{self.word}$", "x-rule": rule}


DurationOrNever = Annotated[
    float | None, Otherwise("never", Quantity(units.DURATION, least=SHORTEST, most=LONGEST))
]
ShareOrNever = Annotated[float | None, Otherwise("never", Quantity(units.SHARE, above=0, most=1))]
NumberOrStationary = Annotated[
    float | None, Otherwise("stationary", Quantity(units.NUMBER, above=0, most=1000))
]
ThroughputOrUnlimited = Annotated[float | None, Otherwise("unlimited", Quantity(units.DOLLAR_RATE, above=0))]

SchemaVersion = Annotated[
    int,
    PlainValidator(_version),
    PlainSerializer(lambda version: str(version), return_type=str, when_used="json"),
    WithJsonSchema({"const": VERSION}),
]
