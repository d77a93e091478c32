"""Settings of the whole test suite: reproducible examples, and GPU tests only where there is a GPU."""

import os
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    print_blob=False,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top folder of the project."""
    return Path(__file__).parents[1]


def missing_gpu() -> str | None:
    """Why the tests marked `gpu` cannot run here, or None if they can."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy raises its own types for each missing library
        return f"no usable GPU: {type(error).__name__}: {error}"
    return None


LONGEST = (
    "parity/test_jax.py",
    "validation/test_gradients_actors.py",
    "validation/test_gradients_of_parts.py",
    "validation/test_gradients.py",
    "unit/test_cli.py",
    "parity/test_fused.py",
    "unit/test_runs.py",
    "statistics/test_calibration.py",
    "parity/test_builds.py",
    "unit/test_cuda.py",
    "parity/test_device_tally.py",
)
"""Files that take longest: they come first, so that no worker is left with one of them at the end."""


def start_with_the_longest(items):
    def place(item):
        name = item.path.relative_to(Path(__file__).parent).as_posix()
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


def pytest_collection_modifyitems(items):
    start_with_the_longest(items)
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if gpu_items and not os.environ.get("STRESS_REQUIRE_CUDA") and (reason := missing_gpu()):
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_report_header():
    fused = "built" if find_spec("kernels._fused") else "not built"
    return f"fused engine: {fused}; STRESS_REQUIRE_FUSED={os.environ.get('STRESS_REQUIRE_FUSED', '')!r}"
