"""Feeds in one step: the specification. Equations of docs/methods/feed.md."""

import numpy as np


def error(part, step):
    """Log errors of the three candidates of every mark, Eq. (1): [candidate, asset, venue], or None."""
    row = part.row[step]
    return part.error[row] if part.wrong[row] else None


def stale(part, step):
    """Marks that stand still, Eq. (2): bool [asset, venue]."""
    return part.stale[part.row[step]] > 0


def longest(part):
    """Most steps by which any mark is ever behind."""
    return 0 if part is None else int(part.lag.max(initial=0))


def behind(part, step):
    """Steps by which marks are behind, Eq. (3): [asset, venue]."""
    return part.lag[part.row[step]]


def shown(lag, past, step):
    """Marks as they were at the end of the step that lags say, Eq. (3): log [path, asset, venue].

    lag : steps, at least one [asset, venue]
    past: marks on time at the ends of the last steps, that of step n in place n modulo its length
    """
    asset, venue = np.ogrid[: lag.shape[0], : lag.shape[1]]
    # Before the start prices were those of the start.
    return np.where(lag <= step, past[(step - lag) % len(past), :, asset, venue].transpose(2, 0, 1), 0.0)
