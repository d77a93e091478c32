"""The engine in JAX is compared with the reference on every mechanism that a run may do without."""

from kernels.scenario import NEEDED_PARTS, PARTS
from tests.parity.test_jax import CASES, case


def test_every_part_is_in_a_case():
    scenarios = [case(name) for name in CASES]
    used = {part for part in PARTS for scenario in scenarios if getattr(scenario.parts, part) is not None}
    assert set(PARTS) - used == set()
    assert set(NEEDED_PARTS) <= {scenario.shape.process for scenario in scenarios}
