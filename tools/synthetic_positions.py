"""Make the synthetic files of positions beside the example configs: `python tools/synthetic_positions.py`.

Nothing in them was observed. Leverage is log-normal with a long tail, sizes are log-normal, entries lie
around the start price: what the public cohorts of one venue look like, in shape only.
"""

import csv
import io
from pathlib import Path

import numpy as np

CONFIGS = Path(__file__).parents[1] / "configs"
PRICE = 100_000.0
REMARK = "# Synthetic: made by tools/synthetic_positions.py with seed {}. Nothing here was observed."


def liquidation_map(seed: int = 1, n_position: int = 4000) -> str:
    """Notional by liquidation price, in steps of half a percent, as vendors show it."""
    draw = np.random.default_rng(seed)
    lines = []
    for side, sign in (("long", -1), ("short", 1)):
        leverage = np.clip(np.exp(draw.normal(1.6, 0.8, n_position)), 1.2, 100)
        size = np.exp(draw.normal(9.5, 1.5, n_position))
        distance = np.maximum(1 / leverage - 0.005, 0.004)
        bucket = np.ceil(distance / 0.005).astype(int)
        for step in np.unique(bucket):
            price = PRICE * (1 + sign * (0.005 * step - 0.0025))
            held = size[bucket == step].sum()
            if price > 0 and held >= 1:
                lines.append([f"{price:g}", side, f"{held:.0f}"])
    return written(["price", "side", "notional"], lines, seed)


def accounts(seed: int = 2, n_account: int = 240) -> str:
    """Positions of accounts: coins, entry price and the leverage at which they were opened."""
    draw = np.random.default_rng(seed)
    lines = []
    for i in range(n_account):
        side = "long" if draw.random() < 0.55 else "short"
        sign = 1 if side == "long" else -1
        size = np.exp(draw.normal(11, 1.8)) / PRICE
        leverage = float(np.clip(np.round(np.exp(draw.normal(1.5, 0.8))), 1, 50))
        # Who has lost most of the margin is gone: entries lie where a position has lost less than half.
        entry = PRICE * np.exp(draw.normal(0, 0.06))
        worst = PRICE * (1 + sign * 0.5 / leverage)
        entry = min(entry, worst) if sign > 0 else max(entry, worst)
        lines.append([f"S{i + 1:03d}", side, f"{size:.4f}", f"{entry:.0f}", f"{leverage:g}"])
    return written(["account", "side", "size", "entry", "leverage"], lines, seed)


def written(head: list[str], lines: list[list[str]], seed: int) -> str:
    """Rows as CSV, with the remark that says what they are."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *lines])
    return f"{REMARK.format(seed)}\n{text.getvalue()}"


if __name__ == "__main__":
    (CONFIGS / "liquidation-map.csv").write_text(liquidation_map(), encoding="utf-8")
    (CONFIGS / "accounts.csv").write_text(accounts(), encoding="utf-8")
