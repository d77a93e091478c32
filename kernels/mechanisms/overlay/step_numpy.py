"""Overlays in force in one step: the specification."""


def volatility(arrays, step):
    """Multiplier of every asset's volatility in a step: float64 [asset]."""
    return arrays.volatility_level[arrays.volatility_row[step]]


def depth(arrays, step):
    """Multiplier of every book's depth in a step: float64 [asset, venue]."""
    return arrays.depth_level[arrays.depth_row[step]]


def margin(part, step):
    """Distance that raised maintenance rates add in a step, Eq. (5): float64 [asset, side, venue]."""
    return part.level[part.row[step]]


def shock(arrays, step):
    """Log return imposed in a step: float64 [asset]."""
    return arrays.shock[step]
