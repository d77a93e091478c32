"""Entries of accounts become slots."""

import numpy as np
import pytest

from kernels.mechanisms.account import MAX_SLOT
from kernels.parts.table.table_numpy import EDGES
from stress.compile.accounts import Entry, pack, spread
from tests.scenarios import quiet


def entry(venue, channel, weight=1.0):
    w = np.array([weight, 0.0])
    sold = np.zeros((2, 3))
    sold[:, venue] = w
    return Entry(
        venue=venue, channel=channel, need=-0.99 * w, need_fixed=weight, loss=-w, loss_fixed=weight,
        sold=sold, forced=weight * np.ones((len(EDGES), 1)),
    )  # fmt: skip


SHAPE = quiet(n_asset=2, n_venue=3).shape


def test_entries_share_slots():
    """Kinds of one channel on different venues side by side; a second one on a venue takes a new slot."""
    part = pack([entry(0, 1), entry(2, 1, 2.0), entry(0, 1, 3.0), entry(1, 5)], SHAPE)
    assert part is not None
    assert part.channel.tolist() == [1, 1, 5]
    assert part.sold[0, 2, 0].tolist() == [0, 0, 2]
    assert part.forced[:, :, 0, 0].tolist() == [[1, 0, 2], [3, 0, 0], [0, 1, 0]]
    assert part.start[0] == pytest.approx([0.01, 0, 0.02])
    assert part.lean[0, 0].tolist() == [-1, 0, -1]
    # Venues without any are worth one and need nothing: never forced.
    assert part.value_fixed[2].tolist() == [1, 1, 1]


def test_none_and_too_many():
    assert pack([], SHAPE) is None
    with pytest.raises(ValueError, match=str(MAX_SLOT + 1)):
        pack([entry(0, 1) for _ in range(MAX_SLOT + 1)], SHAPE)


def test_spread_is_log_uniform_and_complete():
    """Half of the holders between k = .1 and .4 are below .2; nobody at or below the stress at the start."""
    table = spread(0.05, [(0.1, 0.4), (0.01, 0.06)], [8.0, 2.0])
    at = np.searchsorted(EDGES, 0.2 - 0.05)
    low, high = EDGES[at - 1] + 0.05, EDGES[at] + 0.05
    inside = np.interp(0.2, [low, high], table[at - 1 : at + 1, 0])
    assert inside == pytest.approx(4.0, rel=1e-2)
    assert table[0].tolist() == [0, 0]
    assert table[-1].tolist() == [8, 2]
    with pytest.raises(ValueError, match="1"):
        spread(0.05, [(0.1, 0.4), (0.01, 0.04)], [8.0, 2.0])
