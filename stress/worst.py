"""Lists of the worst paths: a fixed number of ranks each, the same whatever order paths come in.

A list belongs to a venue and a leverage tier, or to all of them. It holds the largest losses and whose
they are, the largest first; of equal losses the path with the smaller number comes first.
"""

from __future__ import annotations

import numpy as np

N_WORST = 64
"""Worst paths kept of every venue and tier, and over all."""

NO_PATH = -1

SMALLEST = np.nextafter(np.float32(0), np.float32(1))


def contenders(losses, least):
    """Who of some paths may come onto the lists: for each, the list and the place among the paths.

    losses: float32 [path, list], none negative; zero is no loss
    least : float32 [list], the last of each list; few paths of a later batch reach it
    """
    bound = np.maximum(least, SMALLEST)
    reached = losses >= bound
    for which in np.flatnonzero(np.count_nonzero(reached, axis=0) > N_WORST):
        bound[which] = np.partition(losses[:, which], -N_WORST)[-N_WORST]
        reached[:, which] = losses[:, which] >= bound[which]
    place, which = np.nonzero(reached)
    return which, place


def add_worst(losses, paths, which, loss, path) -> None:
    """Put paths onto lists, in place.

    losses, paths    : float32 and int64 [list, rank]
    which, loss, path: of each newcomer its list, its loss, above zero, and its number
    """
    if not len(which):
        return
    lists, row = np.unique(which, return_inverse=True)
    row = np.concatenate([np.repeat(np.arange(len(lists)), N_WORST), row])
    loss = np.concatenate([losses[lists].ravel(), loss])
    path = np.concatenate([paths[lists].ravel(), path])
    order = np.lexsort((path, -loss, row))
    first = np.searchsorted(row[order], np.arange(len(lists)))
    kept = order[first[:, None] + np.arange(N_WORST)]
    losses[lists], paths[lists] = loss[kept], path[kept]
