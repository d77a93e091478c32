"""Many mechanisms at once: the engines agree path by path, nothing fails, and bits do not depend on ranges.

`tools/compare_engines.py` runs as many mixtures as one likes.
"""

import pytest

from tests.parity.mixtures import findings, mixture
from tests.scenarios import require

pytestmark = pytest.mark.parity

MIXTURES = (0, 2, 8, 24, 35, 51, 52, 66, 73, 127, 172, 535)
"""Some that have found something, and some that have not."""


@pytest.mark.parametrize("number", MIXTURES)
def test_engines_agree_on_mixtures(number):
    require("cpu")
    assert findings(number) == []


def test_mixtures_are_what_they_were():
    """A number names a mixture for good; other numbers name others."""
    assert mixture(3) == mixture(3)
    assert len({tuple(mixture(number)) for number in range(50)}) == 50
