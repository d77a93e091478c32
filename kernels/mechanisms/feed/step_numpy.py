"""Feeds in one step: the specification. Equations of docs/methods/feed.md."""


def error(part, step):
    """Log errors of the three candidates of every mark, Eq. (1): [candidate, asset, venue], or None."""
    row = part.row[step]
    return part.error[row] if part.wrong[row] else None


def stale(part, step):
    """Marks that stand still, Eq. (2): bool [asset, venue]."""
    return part.stale[part.row[step]] > 0
