"""Central clearing: who pays for losses beyond margin at a regulated venue. docs/methods/clearing.md."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels.arrays import leaf

LAYERS = ("default_fund", "own_capital", "default_fund", "assessments")
"""Component of loss that each layer is booked as, in the order in which they pay: the defaulters' part of the
default fund, the clearing house's own capital, the survivors' part, what survivors are called for."""

PREFUNDED = 3
"""The layers up to here are there before anybody defaults."""


@dataclass(frozen=True)
class Clearing:
    """What stands behind the insurance fund of a venue; nothing where it is not cleared."""

    layer: np.ndarray = leaf("layer venue", "USD", "the most that each layer pays in a run")


def prefunded_resources(fund: np.ndarray, part: Clearing | None) -> np.ndarray:
    """What is there at the start to pay for losses beyond margin: USD [venue], as the insurance `fund` is."""
    return fund if part is None else fund + part.layer[:PREFUNDED].sum(axis=0)
