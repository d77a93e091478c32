"""Gradients of the engine in JAX at the limit of cascades; each is asked for once, so compiled in haste."""

import pytest


def gradient(scenario, measure, seed, count, tolerance=1e-12, max_rounds=20_000):
    """A measure of the fields of paths, and its slope by every float array; see `Engine.gradient`.

    Without optimising, XLA compiles in half the time, and a small run takes no longer.
    """
    from kernels import engine_jax

    options = engine_jax.compiler_options() | {"xla_backend_optimization_level": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_jax, "compiler_options", lambda: options)
        engine = engine_jax.Engine(scenario, tolerance=tolerance, max_rounds=max_rounds)
        return engine.gradient(measure, seed, 0, count)
