"""Random mixtures of mechanisms over the small config: many at once, as no variant has them."""

import dataclasses
import random

import numpy as np

from kernels import engine_cpu
from kernels.outcome import FAILED
from stress.compile import compile_config
from stress.config import load
from stress.errors import ConfigError
from tests.parity.compare import TOLERANCE, gaps, steep, tied
from tests.parity.variants import CONFIGS, ENTRIES, NO_LADDER, account
from tests.scenarios import simulate

VENUES = ("alpha", "beta", "gamma")
LISTED = {"alpha": ("BTC", "ETH"), "beta": ("BTC", "ETH"), "gamma": ("ETH",)}
LEVERAGE = "1x-3x: {}%, 3x-5x: 40%, 5x-10x: {}%, 10x-20x: 4%"
GAMMA = [
    "venues.gamma={name: Gamma, maximum_leverage: 50x, insurance_fund: $300k, mix: capped, "
    "adl: {policy: none}, liquidation: {fee: 0.1%}, markets: {ETH: {open_interest: $400M, depth: $8M, "
    "maintenance: [{share: 50%, rate: 0.5%}, {share: 50%, rate: 1%}]}}}"
]
"""A third venue, which lists one asset only."""

LARGEST = {"alpha": 900, "beta": 250, "gamma": 100}
"""Open interest of one kind of account, at most, $M."""


class Mixer:
    """One mixture: overrides, drawn by a generator of its own."""

    def __init__(self, number):
        self.random = random.Random(f"mixture {number}")
        self.venues = VENUES if self.maybe(0.4) else VENUES[:2]
        self.fast = self.one("unlimited", "$5B/m", "$5B/m")
        self.texts = [*GAMMA] if len(self.venues) == 3 else []

    def maybe(self, chance):
        return self.random.random() < chance

    def one(self, *options):
        return self.random.choice(options)

    def number(self, low, high, digits=2):
        return f"{self.random.uniform(low, high):.{digits}f}"

    def percent(self, low, high):
        return f"{self.number(low, high, 1)}%"

    def minutes(self, low, high):
        return f"{self.random.randint(low, high)}m"

    def dollars(self, low, high):
        return f"${self.number(low, high, 1)}M"

    def add(self, text):
        self.texts.append(text)

    def mixed(self):
        for venue in self.venues:
            self.rules(venue)
            self.halts(venue)
            self.positions(venue)
        self.books()
        self.sellers()
        self.dynamics()
        self.overlays()
        return self.texts

    def rules(self, venue):
        """Fund, deleveraging, vault, marks, funding."""
        self.add(f"venues.{venue}.insurance_fund={self.dollars(0, self.one(0.2, 2, 20))}")
        policy = self.one(
            "none", "queue", "queue_hyperliquid", "pro_rata", "capped_pro_rata", "leverage_waterfill",
            "random_start",
        )  # fmt: skip
        more = ""
        if policy != "none":
            more = f", fund_below: {self.percent(0, 60)}, price: {self.one('bankruptcy', 'mark')}"
            if self.maybe(0.4):
                more += f", drawdown: {self.percent(5, 50)}"
                more += f", window: {self.minutes(3, 12)}" if self.maybe(0.5) else ""
            more += ", excess: claim" if self.maybe(0.3) else ""
        self.add(f"venues.{venue}.adl={{policy: {policy}{more}}}")
        self.add(f"venues.{venue}.socialised_loss={self.one('none', 'none', 'step', 'run')}")
        fund = []
        if self.maybe(0.4):
            fund.append("split: per_market")
        if self.maybe(0.3):
            fund.append(f"coins: {{asset: {self.one('BTC', 'ETH')}, share: {self.percent(10, 90)}}}")
        if fund:
            self.add(f"venues.{venue}.fund={{{', '.join(fund)}}}")
        if self.maybe(0.35):
            self.add(
                f"venues.{venue}.vault={{capital: {self.dollars(0, 5)}, capacity: {self.dollars(20, 400)}, "
                f"take: {self.percent(20, 100)}, half_life: {self.minutes(1, 20)}}}"
            )
        exclude = f", exclude_beyond: {self.percent(0.3, 2)}" if self.maybe(0.3) else ""
        exclude += ", exclude_halted: false" if self.maybe(0.3) else ""
        if self.maybe(0.35):
            self.add(f"venues.{venue}.mark={{kind: median, basis_half_life: {self.minutes(1, 5)}{exclude}}}")
        else:
            self.add(f"venues.{venue}.mark={{own: {self.one('0%', '30%', '100%')}{exclude}}}")
        if self.maybe(0.35):
            self.add(f"venues.{venue}.funding={{interest: 0.03%, cap: {self.percent(1, 90)}}}")
        self.free = self.maybe(0.3)  # what is forced costs nothing, so that accounts may be closed in parts
        fee, surplus = ("0%", "0%") if self.free else (self.percent(0, 1.5), self.percent(0, 100))
        throughput = f"${self.number(5, 200, 0)}M/m" if self.maybe(0.5) else self.fast
        self.add(
            f"venues.{venue}.liquidation={{fee: {fee}, surplus_to_fund: {surplus}, "
            f"throughput: {throughput}, ladder: {self.one('[]', '[{close: 20%}, {close: 30%}]')}}}"
        )

    def halts(self, venue):
        if self.maybe(0.25):
            levels = f"{{move: {self.percent(1.5, 4)}, halt: {self.minutes(1, 4)}}}"
            if self.maybe(0.5):
                levels += f", {{move: {self.percent(5, 8)}, halt: {self.minutes(1, 4)}}}"
            more = self.one("", f", reference_half_life: {self.minutes(3, 15)}", ", rises: false")
            self.add(f"venues.{venue}.breakers={{levels: [{levels}]{more}}}")
        if self.maybe(0.25):
            left = "0%" if self.fast == "unlimited" else self.one("0%", "10%", "60%")
            self.add(
                f"venues.{venue}.failures={{capacity: {self.dollars(20, 200)}, rate: "
                f"{self.random.randint(5, 60)}/h, half_life: {self.minutes(1, 8)}, "
                f"lasts: {self.minutes(1, 5)}, throughput: {left}, depth: {self.percent(20, 100)}}}"
            )

    def positions(self, venue):
        if self.maybe(0.3):
            self.add(
                f"venues.{venue}.leverage_uncertainty={{own: {self.percent(10, 80)}, "
                f"common: {self.percent(10, 60)}}}"
            )
        if self.maybe(0.3):
            size = self.one(
                "{kind: lognormal, median: 3%, deviation: 80%}", "{kind: pareto, least: 2%, exponent: 1.3}"
            )
            self.add(
                f"venues.{venue}.whales={{chance: {self.percent(20, 95)}, size: {size}, largest: 30%, "
                f"lowest_leverage: 3x, highest_leverage: {self.one('12x', '25x')}}}"
            )
        for name in self.random.sample(("majors", "hedged", "coins", "unified"), self.one(0, 0, 0, 1, 1, 2)):
            self.account(venue, name)

    def account(self, venue, name):
        amount = f"${self.random.randint(20, LARGEST[venue])}M"
        eth = LISTED[venue] == ("ETH",)
        long = "ETH: 100%" if eth else self.one("BTC: 60%, ETH: 40%", "BTC: 100%", "BTC: 20%, ETH: 80%")
        texts = {
            "majors": f"kind: cross_margin, open_interest: {amount}, legs: {{{long}}}",
            "hedged": f"kind: cross_margin, open_interest: {amount}, "
            f"legs: {{{'ETH: -100%' if eth else 'BTC: -60%, ETH: 40%'}}}{', first_close: 20%' * self.free}",
            "coins": f"kind: coin_margined, open_interest: {amount}, asset: {'ETH' if eth else 'BTC'}, "
            f"side: {self.one('long', 'short')}",
            "unified": f"kind: unified, open_interest: {amount}, legs: {{{long}}}, "
            f"collateral: {{ETH: {{share: {self.percent(10, 90)}, ratio: 90%, "
            f"seized: {self.one('kept', 'sold')}}}}}",
        }
        high = self.random.randint(1, 15)
        self.texts += account(venue, name, texts[name], LEVERAGE.format(56 - high, high))

    def books(self):
        if self.maybe(0.4):
            self.add(f"books.shape={self.one('0.3', '0.8', '1')}")
        if self.maybe(0.4):
            self.add(f"books.hard_end={self.percent(4, 12)}")
            self.add("venues.alpha.markets.ETH.book={withdrawal: {floor: 3%}}")
        if self.maybe(0.4):
            self.add(f"books.arbitrage_half_life={self.one('never', '20s', '10m')}")
        if self.maybe(0.3):
            self.add(f"books.refill_half_life={self.one('never', '2m', '1h')}")
        if self.maybe(0.3):
            self.add(f"books.permanent_impact={self.percent(0, 60)}")
        if self.maybe(0.2):
            self.add(f"run.monitoring={self.one('step', 'continuous')}")
        if self.maybe(0.2):
            self.texts += ENTRIES
        if self.maybe(0.2):
            self.texts += NO_LADDER

    def sellers(self):
        first, second = self.random.sample(("alpha", "beta"), 2)
        texts = {
            "aave": f"{{kind: defi_loans, sold_on: {{{first}: 2, {second}: 1}}, oracle: {{{second}: 1}}, "
            "reserve: $1M, pools: {ether: {collateral: {ETH: 100%}, liquidation_threshold: 83%, bonus: 5%, "
            "loans: [{from: 40%, to: 80%, amount: $500M}, {from: 80%, to: 82%, amount: $50M}]}}}",
            "desk": f"{{kind: cefi_loans, sold_on: {{{first}: 1}}, pools: {{bitcoin: {{collateral: "
            "{BTC: 100%}, margin_call: 80%, half_life: 5m, topped_up: 60%, "
            "loans: [{from: 60%, to: 79%, amount: $1B}]}}}",
            "dats": f"{{kind: treasuries, sold_on: {{{first}: 1}}, companies: {{one: {{holdings: "
            "{BTC: $2B, ETH: $1B}, debt: $1.4B, covenant: 48%, limit: $20M/m, "
            "sales: [{at: 2m, over: 5m, amount: $20M}]}}}",
            "stops": "{kind: stop_loss, orders: {alpha: {BTC: $300M, ETH: $100M}, beta: {BTC: $50M}}, "
            "triggers: [{from: 1%, to: 4%, share: 60%}, {from: 4%, to: 10%, share: 40%}]}",
            "back": "{kind: stop_loss, side: short, orders: {alpha: {BTC: $300M}}, "
            "triggers: [{from: 0.3%, to: 2%}]}",
            "early": "{kind: retail_exit, share: 20%, at: 70%}",
            "puts": "{kind: hedge, share: {3x-5x: 50%, 5x-10x: 20%}, ratio: 50%, beyond: 5%}",
            "funds": "{kind: etf, holdings: {BTC: $50B, ETH: $10B}, sensitivity: 20, half_life: 1h, "
            f"remembered: {{BTC: -0.02}}, most: 50%, sold_on: {{{first}: 1}}}}",
            "trend": "{kind: momentum, holdings: {ETH: $1B}, sensitivity: 1000, half_life: 3m, flows: both, "
            f"most: 1000%, sold_on: {{{first}: 1, {second}: 1}}}}",
        }
        for name in self.random.sample(sorted(texts), self.one(0, 0, 1, 1, 2, 3)):
            self.add(f"sellers.{name}={texts[name]}")

    def dynamics(self):
        texts = (
            None, None, None, "{kind: gbm}", "{kind: student_t, degrees_of_freedom: 3, mixing: step}",
            "{kind: stochastic_vol, half_life: 20m, deviation: 80%, leverage: -0.7}",
            "{kind: jump_diffusion, common: {rate: 30000/y, mean: -1%, deviation: 2%, betas: {ETH: 1.5}}}",
            "{kind: regime_switching, regimes: {calm: {mean_duration: 10m, volatility: 0.7}, "
            "wild: {mean_duration: 4m, volatility: 4}}}",
        )  # fmt: skip
        if text := self.one(*texts):
            self.add(f"dynamics={text}")
        if self.maybe(0.3):
            self.add(f"assets.BTC.volatility={self.percent(20, 200)}")
        if self.maybe(0.2):
            self.add(f"assets.ETH.volatility={self.percent(20, 300)}")

    def overlays(self):
        def where(name, options):
            return f", {name}: [{self.one(*options)}]" if self.maybe(0.6) else ""

        def span(longest=12):
            return f"at: {self.minutes(0, 13)}, over: {self.minutes(1, longest)}"

        assets, venues = ("BTC", "ETH"), self.venues
        size = self.one("-4%", "-7%", "-7%", "-10%", "6%", "-2%")
        texts = [f"{{kind: price_shock, {span()}, size: {size}, betas: {{ETH: {self.number(0.7, 1.5)}}}}}"]
        menu = (
            lambda: f"{{kind: price_shock, {span()}, size: {self.one('4%', '-3%', '-6%')}}}",
            lambda: f"{{kind: volatility, {span()}, multiplier: {self.number(0.1, 8)}"
            f"{where('assets', assets)}}}",
            lambda: f"{{kind: correlation, {span()}, correlation: {self.number(-0.9, 0.99)}}}",
            lambda: f"{{kind: depth, {span()}, multiplier: {self.number(0.2, 2)}{where('venues', venues)}"
            f"{where('assets', assets)}}}",
            lambda: f"{{kind: margin, at: {self.minutes(1, 15)}, factor: {self.number(0.5, 4)}, "
            f"amount: {self.percent(0, 1)}{where('venues', venues)}}}",
            lambda: f"{{kind: oracle_error, {span(6)}, size: {self.one('-4%', '3%', '-8%')}, "
            f"of: {self.one('mark', 'index')}{where('venues', venues)}{where('assets', assets)}}}",
            lambda: f"{{kind: stale_feed, {span(6)}{where('venues', venues)}{where('assets', assets)}}}",
            lambda: f"{{kind: halt, {span(6)}{where('venues', venues)}{where('assets', assets)}}}",
            lambda: f"{{kind: outage, {span(6)}, throughput: "
            f"{'0%' if self.fast == 'unlimited' else self.percent(0, 60)}, "
            f"depth: {self.percent(20, 100)}{where('venues', venues)}}}",
            lambda: f"{{kind: market_maker_default, {span()}, share: {self.percent(0, 80)}, "
            f"inventory: {{BTC: {self.one('-$50M', '$100M')}, ETH: {self.one('$40M', '-$60M')}}}}}",
        )  # fmt: skip
        if any(".funding=" in x for x in self.texts):
            menu = (*menu, lambda: f"{{kind: funding, {span()}, rate: {self.percent(-60, 60)}}}")
        texts += [make() for make in self.random.sample(menu, self.random.randint(0, 4))]
        self.add(f"overlays=[{', '.join(texts)}]")


def mixture(number):
    """Overrides of the small config; the same for a number, always."""
    return Mixer(number).mixed()


def compiled(number):
    """Scenario of a mixture, over twenty-five minutes; None where its parts do not go together."""
    try:
        return compile_config(load(CONFIGS / "small.yaml", ["run.horizon=25m", *mixture(number)]))
    except ConfigError:
        return None


def findings(number, count=20, seed=7):
    """What is wrong with the engines on a mixture, in words; None where its parts do not go together."""
    scenario = compiled(number)
    if scenario is None:
        return None
    reference, fused = (simulate(engine, scenario, seed, count=count) for engine in ("numpy", "cpu"))
    found = [*misfits(scenario)]
    for name, outcome in (("reference", reference), ("fused", fused)):
        if (outcome.status & FAILED).any():
            found.append(f"{name}: paths that fail: {np.nonzero(outcome.status & FAILED)[0]}")
        if not np.isfinite(outcome.batch.rows).all():
            found.append(f"{name}: numbers that are not finite")
    apart = gaps(scenario, reference, fused)
    beyond = np.max(list(apart.values()), axis=0) > TOLERANCE
    differs = beyond & ~steep(reference, fused) | (reference.status != fused.status)
    for i in np.nonzero(differs)[0]:
        if not tied(scenario, seed, int(i)):
            fields = ", ".join(f"{name} {x[i]:.1e}" for name, x in apart.items() if x[i] > TOLERANCE)
            found.append(f"path {i}: {fields}, status {reference.status[i]} and {fused.status[i]}")
    rows = fused.batch.rows
    if (
        engine_cpu.Prepared(scenario, gate=False).run_paths(seed, 0, count, 1).rows.tobytes()
        != rows.tobytes()
    ):
        found.append("steps that are skipped would have changed something")
    engine, cut = engine_cpu.Prepared(scenario), count // 3
    parts = [engine.run_paths(seed, first, n, 2).rows for first, n in ((cut, count - cut), (0, cut))]
    if np.concatenate(parts[::-1]).tobytes() != rows.tobytes():
        found.append("a range that is cut in two has other rows")
    return found


def misfits(scenario):
    """Arrays whose axes are not as long as the scenario's shape says."""
    shape = scenario.shape
    sizes = {"venue": shape.n_venue, "asset": shape.n_asset, "tier": shape.n_tier, "step": shape.n_step}
    sizes |= {"side": 2, "group": shape.n_group, "source": None}
    parts = (getattr(scenario.parts, f.name) for f in dataclasses.fields(scenario.parts))
    for held in (scenario.arrays, *(part for part in parts if part is not None)):
        for f in dataclasses.fields(held):
            length = np.shape(getattr(held, f.name))
            dims = f.metadata["dims"]
            wrong = [d for d, n in zip(dims, length, strict=False) if sizes.get(d) not in (None, n)]
            if len(dims) != len(length) or wrong:
                yield f"{type(held).__name__}.{f.name}: {length} for {dims}"
