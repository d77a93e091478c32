"""Sizes of events that are drawn, once for each path: a factor on the stated size."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stress.config.base import Number, PositiveNumber, Spread, Strict


class NormalFactor(Strict):
    """A normal factor."""

    kind: Literal["normal"]
    mean: Number = 1.0
    """Its mean."""
    deviation: Spread
    """Its standard deviation."""
    least: Number | None = None
    """What is drawn below this becomes this ..."""
    most: Number | None = None
    """... and what is drawn above this, this."""


class LognormalFactor(Strict):
    """A log-normal factor: never of the other sign."""

    kind: Literal["lognormal"]
    median: PositiveNumber = 1.0
    """Its median."""
    deviation: Spread
    """Standard deviation of its logarithm."""
    least: Number | None = None
    """What is drawn below this becomes this ..."""
    most: Number | None = None
    """... and what is drawn above this, this."""


class UniformFactor(Strict):
    """A factor that is as likely anywhere between two numbers."""

    kind: Literal["uniform"]
    least: Number
    """The smallest factor."""
    most: Number
    """The largest one."""


class TriangularFactor(Strict):
    """A factor between two numbers, likeliest at a given one between them and ever less so away from it."""

    kind: Literal["triangular"]
    least: Number
    """The smallest factor."""
    likeliest: Number
    """The likeliest one."""
    most: Number
    """The largest one."""


Drawn = Annotated[
    NormalFactor | LognormalFactor | UniformFactor | TriangularFactor, Field(discriminator="kind")
]
