"""The record of a path: running totals and extremes while it evolves, one row of outcome at its end."""
