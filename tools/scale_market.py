"""The markets of other days, scaled from that of 10 October 2025: renews their blocks in configs/.

    python tools/scale_market.py [--check]

What is known of a day stands in tools/markets.yaml: open interest of an asset, a venue or one market, in
dollars or as a factor on that of market-2025-10.yaml. The most special figure wins. Everything else follows:
accounts with a shared margin keep their share of a venue, depth goes with a market's own open interest unless
the day has a factor for it, and marks are those of oct-2025.yaml. So what is tuned in October's market holds
in all of them. What a config leaves out of that market (its `without`) is left out of its block.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import yaml

from stress.units import DOLLARS

CONFIGS = Path(__file__).parents[1] / "configs"
TABLE = Path(__file__).with_name("markets.yaml")
BEGIN, END = "  # >>> tools/scale_market.py, from tools/markets.yaml\n", "  # <<<\n"

Tree = dict[str, Any]


def read(path: Path) -> Tree:
    """A YAML file; values with units stay text."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def october() -> dict[str, Tree]:
    """Venues of October's market, each with the mark that it has in the crash."""
    named = read(CONFIGS / "market-2025-10.yaml")["venues"]
    crash = read(CONFIGS / "oct-2025.yaml")["venues"]
    return {name: read(CONFIGS / path) | crash.get(name, {}) for name, path in named.items()}


def dollars(value: float) -> str:
    """Three digits, as a config has it."""
    size, letter = next((s, c) for s, c in ((1e9, "B"), (1e6, "M"), (1e3, "k"), (1, "")) if value >= s)
    return f"${float(f'{value / size:.3g}'):g}{letter}"


class Day:
    """One entry of tools/markets.yaml."""

    def __init__(self, known: Tree, without: set[str], venues: dict[str, Tree]) -> None:
        self.known, self.without = known, without
        self.like = known.get("like", {})
        self.named = [name for name in [*venues, *self.like] if f"venues.{name}" not in without]
        self.venues = {name: venues[self.like.get(name, name)] for name in self.named}

    def factor(self, venue: str, asset: str, now: float) -> float:
        """Open interest of a market over that of October."""
        assets = self.known["assets"]
        known = self.known.get("markets", {}).get(venue, {}).get(asset)
        if known is None:
            known = self.known.get("venues", {}).get(venue, assets.get(asset, assets.get("others")))
        return DOLLARS.parse(known) / now if isinstance(known, str) else known

    def markets(self, venue: str) -> dict[str, tuple[float, float]]:
        """Open interest and depth by asset."""
        found = {}
        for asset, market in self.venues[venue]["markets"].items():
            if {f"assets.{asset}", f"venues.{venue}.markets.{asset}"} & self.without:
                continue
            now, depth = DOLLARS.parse(market["open_interest"]), DOLLARS.parse(market["depth"])
            scale = self.factor(venue, asset, now) if now else 1.0
            found[asset] = now * scale, depth * self.known.get("depth", scale)
        return found

    def shared(self, venue: str) -> float:
        """Open interest of a venue over that of October."""
        now = {asset: DOLLARS.parse(m["open_interest"]) for asset, m in self.venues[venue]["markets"].items()}
        found = self.markets(venue)
        return sum(oi for oi, _ in found.values()) / sum(now[asset] for asset in found)

    def mark(self, venue: str) -> Tree:
        """The venue's mark, with the sources that there were."""
        mark = dict(self.venues[venue]["mark"])
        for key in ("index", "second_index"):
            if key in mark:
                mark[key] = {name: weight for name, weight in mark[key].items() if name in self.named}
        return mark

    def block(self, venue: str) -> str:
        """The lines of one venue."""
        part = self.venues[venue]
        lines: Tree = {"mark": self.mark(venue)}
        if venue in self.like:
            skipped = ("markets", "accounts", "mark")
            lines = {"name": venue} | {k: v for k, v in part.items() if k not in skipped} | lines
        rules = dict(self.known.get("rules", {}).get(venue, {}))
        special = rules.pop("markets", {})
        lines |= rules
        markets = {}
        for asset, (oi, depth) in self.markets(venue).items():
            size = {"open_interest": dollars(oi)} if oi else {}
            copied = part["markets"][asset] if venue in self.like else {}
            markets[asset] = copied | size | {"depth": dollars(depth)} | special.get(asset, {})
        text = "".join(f"    {key}: {flow(value)}\n" for key, value in lines.items())
        text += "    markets:\n" + "".join(f"      {a}: {flow(market)}\n" for a, market in markets.items())
        return f"  {venue}:\n{text}{self.accounts(venue)}"

    def accounts(self, venue: str) -> str:
        """The lines of its accounts with a shared margin; none where its rules are another venue's."""
        accounts = self.venues[venue].get("accounts", {})
        if not accounts or venue in self.like or f"venues.{venue}.accounts" in self.without:
            return ""
        text, changed = "    accounts:\n", self.known.get("accounts", {}).get(venue, {})
        for name, account in accounts.items():
            size = dollars(self.shared(venue) * DOLLARS.parse(account["open_interest"]))
            text += f"      {name}: {flow({'open_interest': size} | changed.get(name, {}))}\n"
        return text

    def text(self) -> str:
        """The block of the day."""
        return BEGIN + "".join(self.block(venue) for venue in self.named) + END


def flow(value: Any) -> str:
    """YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def renewed(name: str, day: Tree, venues: dict[str, Tree]) -> tuple[Path, str, str]:
    """Path of a config, its text, and its text with the block renewed."""
    path = CONFIGS / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    block = Day(day, set(read(path).get("without", ())), venues).text()
    new, count = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path} has {count} blocks between {BEGIN.strip()!r} and {END.strip()!r}, not one")
    return path, text, new


def stale() -> list[tuple[Path, str]]:
    """Configs whose block is not current, each with the text that it should have."""
    venues = october()
    found = [renewed(name, day, venues) for name, day in read(TABLE).items()]
    return [(path, new) for path, old, new in found if new != old]


def main() -> None:
    """Renew, or only look."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if one is stale")
    check = parser.parse_args().check
    for path, text in stale():
        print(path.name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
