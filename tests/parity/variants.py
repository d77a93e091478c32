"""The small config with every mechanism turned on, off and up: overrides by name."""

from functools import cache
from pathlib import Path

from stress.compile import compile_config
from stress.config import load

CONFIGS = Path(__file__).parents[1] / "configs"

POOR = ["venues.alpha.insurance_fund=$1M", "venues.beta.insurance_fund=$100k"]
SLOW = ["venues.alpha.liquidation.throughput=$30M/m", "venues.beta.liquidation.throughput=$10M/m"]


def each_venue(text):
    return [f"venues.{v}.{text}" for v in ("alpha", "beta")]


ENTRIES = [
    "mixes.majors.entry={short: {0x-1x: 150%, 1x-3x: 120%, 3x-5x: 98%, 5x-10x: 105%}, long: {0x-1x: 70%}}",
    "mixes.capped.entry={short: {0x-1x: 130%, 1x-3x: 99%, 5x-10x: 108%}, long: {1x-3x: 80%}}",
]


def policy(name, *more):
    return [f"venues.{v}.adl={{policy: {name}, fund_below: 50%}}" for v in ("alpha", "beta")] + [*more]


def own_share(share):
    return [f"venues.{v}.mark={{own: {share}}}" for v in ("alpha", "beta")]


def maintenance(text):
    return [f"venues.{v}.markets.{a}.maintenance={text}" for v in ("alpha", "beta") for a in ("BTC", "ETH")]


def account(venue, name, text, leverage="1x-3x: 65%, 3x-5x: 25%, 5x-10x: 8%, 10x-20x: 2%"):
    return [f"venues.{venue}.accounts.{name}={{{text}, leverage: {{{leverage}}}}}"]


MEDIANS = [f"venues.{v}.mark={{kind: median, basis_half_life: 90s}}" for v in ("alpha", "beta")]
WHALES = [
    "venues.alpha.whales={chance: 50%, size: {kind: lognormal, median: 3%, deviation: 80%}, "
    "lowest_leverage: 3x, highest_leverage: 30x}",
    "venues.beta.markets.ETH.whales={chance: 90%, side: long, "
    "size: {kind: pareto, least: 2%, exponent: 1.3}, largest: 30%, "
    "lowest_leverage: 5x, highest_leverage: 15x}",
]
NO_LADDER = ["venues.beta.liquidation.ladder=[]"]
BOOKS_AS_SET = ["venues.alpha.markets.ETH.book={withdrawal: {floor: 3%}}"]

PEG = [
    "assets.USDE={name: USDe, price: $1, volatility: 1%, calm_volatility: 1%}", "correlation=0.6",
    "venues.alpha.markets.USDE={open_interest: $0, depth: $3M, mark: {own: 100%}}",
    "overlays=[{kind: price_shock, at: 2m, over: 5m, size: -5%, betas: {USDE: 0}}, "
    "{kind: depeg, asset: USDE, at: 10m, over: 5m, size: -30%, stays: 1m, recovery: 5m}]",
    *account("alpha", "unified", "kind: unified, open_interest: $2B, legs: {BTC: 60%, ETH: 40%}, "
             "collateral: {USDE: {share: 60%, ratio: 95%}, ETH: {share: 10%, ratio: 90%}}"),
    *account("beta", "unified", "kind: unified, open_interest: $500M, legs: {BTC: 100%}, collateral: "
             "{USDE: {share: 50%, valued_as: cash, seized: kept}, BTC: {share: 30%, seized: kept}}"),
]  # fmt: skip

VARIANTS = {
    "as it is": [],
    # marks and monitoring
    "monitoring at steps": ["run.monitoring=step"],
    "marks of own price": own_share("100%"),
    "marks of index": own_share("0%"),
    "median marks": MEDIANS,
    "median and mean marks": [*MEDIANS[:1], "venues.beta.mark={own: 30%}", "run.monitoring=step"],
    "median marks of two indices": [
        "venues.alpha.mark={kind: median, index: {alpha: 1}, second_index: {beta: 1}, basis_half_life: 5m}",
        "venues.beta.mark={kind: median, index: {alpha: 1}, second_index: {beta: 1, alpha: 2}, "
        "basis_half_life: 20s}",
    ],
    "sources left out": [
        "venues.alpha.mark={own: 20%, exclude_beyond: 0.4%}", "books.arbitrage_half_life=20m",
        "venues.beta.mark={kind: median, basis_half_life: 2m, exclude_beyond: 1%}",
    ],
    "marks of another venue": ["venues.alpha.mark={own: 20%, index: {beta: 1}}"],
    # books
    "shape 0.3": ["books.shape=0.3"],
    "shape 0.3 that ends": ["books.shape=0.3", "books.hard_end=4%", *BOOKS_AS_SET],
    "shape 1 that ends": ["books.shape=1", "books.hard_end=6%", *BOOKS_AS_SET],
    "shape 1.05 that ends": ["books.shape=1.05", "books.band=5%", "books.hard_end=8%", *BOOKS_AS_SET],
    "shape 1.05 that ends at its band": [
        "books.shape=1.05", "books.band=4%", "books.hard_end=4%", *BOOKS_AS_SET,
    ],
    "shapes above and below 1": [
        "books.hard_end=30%", "venues.alpha.markets.ETH.book={shape: 1.1, band: 5%, hard_end: 20%}",
        "venues.beta.markets.BTC.book={shape: 1.5, band: 1.2%, hard_end: 10%}",
    ],
    "books that never come back": ["books.refill_half_life=never", "books.arbitrage_half_life=never"],
    "no withdrawal, no permanent impact": ["books.withdrawal.sensitivity=0", "books.permanent_impact=0%"],
    "strong withdrawal, all impact permanent": [
        "books.withdrawal.sensitivity=90", "books.permanent_impact=100%",
    ],
    # venue rules
    "backlog": SLOW,
    "backlog, queue": [*policy("queue"), *POOR, *SLOW],
    "backlog, pro rata": [*policy("pro_rata"), *POOR, *SLOW],
    "backlog, bad debt": [*policy("none"), *POOR, *SLOW],
    "queue on a drawdown": ["venues.alpha.adl={policy: queue, drawdown: 5%}", *POOR],
    "queue of Hyperliquid, entries of their own": [*policy("queue_hyperliquid"), *POOR, *ENTRIES],
    "queue, entries of their own": [*policy("queue"), *POOR, *ENTRIES],
    "capped pro rata": [*policy("capped_pro_rata"), *POOR],
    "leverage waterfill": [*policy("leverage_waterfill"), *POOR, *SLOW],
    "random start": [*policy("random_start"), *POOR],
    "deleveraging at the mark": [
        *POOR,
        *[f"venues.{v}.adl={{policy: queue, fund_below: 50%, price: mark}}" for v in ("alpha", "beta")],
    ],
    # funds
    "funds by market": [*policy("queue"), *POOR, *each_venue("fund={split: per_market}")],
    "funds by market, with shares": [
        *POOR, "venues.alpha.fund={split: per_market, shares: {BTC: 80%, ETH: 20%}}",
        "venues.alpha.adl={policy: pro_rata, fund_below: 20%, price: mark}",
    ],
    "funds in coins": [
        *policy("queue"), *each_venue("fund={coins: {asset: ETH, share: 60%}}"),
        "venues.alpha.adl={policy: queue, drawdown: 20%}",
    ],
    "drawdown within a window": [
        *POOR, *each_venue("adl={policy: pro_rata, drawdown: 10%, window: 6m}"),
        "venues.alpha.fund={split: per_market, coins: {asset: BTC, share: 30%}}",
    ],
    "claims": [*POOR, *SLOW, *each_venue("adl={policy: queue, fund_below: 20%, excess: claim}")],
    "claims, funds by market": [
        *POOR, *each_venue("adl={policy: pro_rata, fund_below: 1%, excess: claim}"),
        *each_venue("fund={split: per_market}"), "venues.alpha.socialised_loss=run",
    ],
    "socialised at every step": [*policy("none"), *POOR, *each_venue("socialised_loss=step"), *ENTRIES],
    "socialised at the end": [*POOR, *each_venue("socialised_loss=run")],
    "central clearing": [
        *policy("none"), *each_venue("insurance_fund=$0"),
        *each_venue("clearing={own_capital: $200k, default_fund: $1M, defaulters: 10%, assessments: 100%}"),
        "venues.alpha.socialised_loss=step", *SLOW,
    ],
    "central clearing behind funds by market, and winners at the end": [
        *policy("none"), *POOR, *each_venue("fund={split: per_market}"), *each_venue("socialised_loss=run"),
        "venues.beta.clearing={default_fund: $3M, assessments: 275%}",
    ],
    "shared surplus and fees": [
        "venues.alpha.liquidation={fee: 1%, surplus_to_fund: 40%}",
        "venues.beta.liquidation={fee: 0.2%, surplus_to_fund: 70%}",
    ],
    # backstop vaults
    "vaults": [
        "venues.alpha.vault={capital: $5M, capacity: $100M, take: 60%, half_life: 5m}",
        "venues.beta.vault={capital: $0, capacity: $300M, shares: {BTC: 20%, ETH: 80%}, take: 100%, "
        "half_life: 1m}",
    ],
    "vaults in deficit, backlog, queue": [
        *policy("queue"), *POOR, *SLOW,
        *each_venue("vault={capital: $1M, capacity: $400M, take: 70%, half_life: 1h}"),
    ],
    "vaults, halts and outages": [
        *POOR, *each_venue("vault={capital: $1M, capacity: $400M, take: 100%, half_life: 2m}"),
        *each_venue("breakers={levels: [{move: 3%, halt: 2m}, {move: 6%, halt: 4m}]}"),
        "venues.alpha.failures={capacity: $50M, rate: 40/h, half_life: 5m, lasts: 3m, depth: 50%}",
    ],
    "vaults beside accounts and orders, bad debt": [
        *policy("none"), "venues.alpha.vault={capital: $2M, capacity: $200M, take: 50%, half_life: 10m}",
        "overlays=[{kind: market_maker_default, at: 3m, over: 10m, share: 60%, inventory: {BTC: $200M}}, "
        "{kind: price_shock, at: 2m, over: 10m, size: -7%}]",
        *account("alpha", "halves", "kind: cross_margin, open_interest: $2B, legs: {BTC: 50%, ETH: 50%}"),
    ],
    "vaults with a threshold": [
        "venues.alpha.vault={capital: $5M, capacity: $300M, take: 100%, half_life: 5m, threshold: 66.7%}",
        "venues.beta.vault={capital: $1M, capacity: $300M, take: 80%, half_life: 1h, threshold: 30%}",
        *policy("queue"), *POOR, *SLOW, *WHALES, "venues.alpha.funding={cap: 50%}",
        "overlays=[{kind: price_shock, at: 2m, over: 3m, size: -9%}, {kind: stale_feed, at: 4m, over: 2m}]",
    ],
    # positions
    "no ladder": NO_LADDER,
    "ladders everywhere": [
        "venues.alpha.liquidation.ladder=[{close: 30%}, {close: 30%}, {close: 20%}]",
        "venues.alpha.liquidation.throughput=$100M/m",
    ],
    "four classes with deductions": [
        *NO_LADDER,
        *maintenance("[{share: 40%, rate: 0.4%}, {share: 30%, rate: 1%, deduction: 0.3%}, "
                     "{share: 20%, rate: 2.5%, deduction: 1.5%}, {share: 10%, rate: 5%, deduction: 4%}]"),
    ],
    "a map, accounts, brackets, opening leverage": [
        "venues.alpha.markets.BTC.positions="
        "{kind: map, file: positions/map.csv, remainder: never_forced}",
        "venues.beta.markets.ETH.positions="
        "{kind: accounts, file: positions/accounts.csv, remainder: never_forced}",
        "venues.alpha.markets.ETH.maintenance=[]",
        "venues.alpha.markets.ETH.brackets={sizes: {median: $10k, sigma: 2}, table: ["
        "{up_to: $50k, rate: 0.4%, maximum_leverage: 125x}, "
        "{up_to: $600k, rate: 0.5%, maximum_leverage: 100x}, {up_to: $3M, rate: 0.65%}, "
        "{up_to: $12M, rate: 1%, maximum_leverage: 50x}, "
        "{up_to: $50M, rate: 2%, maximum_leverage: 25x}]}",
        "mixes.majors.opened={long: [{price: 97%, deviation: 3%}], short: [{price: 101%, deviation: 2%}]}",
        "mixes.capped.opened={long: [{share: 50%, price: 99%}, {share: 50%, price: 102%}], "
        "short: [{price: 100%}]}",
    ],
    "lists of accounts on two venues, one of them cleared": [
        "venues.alpha.markets.ETH.positions="
        "{kind: accounts, file: positions/accounts.csv, remainder: never_forced}",
        "venues.beta.markets.ETH.positions="
        "{kind: accounts, file: positions/accounts.csv, remainder: never_forced}",
        "venues.beta.markets.BTC.positions="
        "{kind: accounts, file: positions/accounts.csv, remainder: never_forced, "
        "below_maintenance: leave_out}",
        "venues.beta.adl={policy: none}", "overlays[0].size=-16%",
        "venues.beta.clearing={own_capital: $100k, default_fund: $2M, assessments: 50%}",
    ],
    "nobody hedged": ["mixes.majors.never_forced=0%", "mixes.capped.never_forced=0%"],
    # accounts
    "cross margin, long and hedged": [
        *account("beta", "majors", "kind: cross_margin, open_interest: $600M, legs: {BTC: 60%, ETH: 40%}, "
                 "never_forced: 30%, first_close: 20%"),
        *account("beta", "hedged", "kind: cross_margin, open_interest: $400M, legs: {BTC: -60%, ETH: 40%}"),
        *account("alpha", "halves", "kind: cross_margin, open_interest: $2B, legs: {BTC: 50%, ETH: 50%}"),
    ],
    "coin-margined, both ways": [
        *account("alpha", "longs", "kind: coin_margined, open_interest: $2B, asset: BTC, side: long"),
        *account("alpha", "shorts", "kind: coin_margined, open_interest: $2B, asset: BTC, side: short"),
        *account("beta", "ethers", "kind: coin_margined, open_interest: $500M, asset: ETH, side: long, "
                 "half_life: 2m"),
    ],
    "collateral off its peg": PEG,
    "collateral off its peg, sold slowly": [*PEG, *SLOW],
    "accounts deleveraged, margins raised": [
        *policy("queue"), *POOR,
        *account("beta", "majors", "kind: cross_margin, open_interest: $600M, legs: {BTC: 60%, ETH: 40%}"),
        *account("alpha", "halves", "kind: cross_margin, open_interest: $2B, legs: {BTC: 50%, ETH: 50%}"),
        "overlays=[{kind: price_shock, at: 2m, over: 8m, size: -9%}, {kind: margin, at: 5m, factor: 6}]",
    ],
    "accounts pay funding": [
        "venues.alpha.funding={cap: 50%}", "venues.beta.funding={interest: 0.03%, cap: 90%}",
        *account("beta", "hedged", "kind: cross_margin, open_interest: $400M, legs: {BTC: -60%, ETH: 40%}"),
        *account("alpha", "halves", "kind: cross_margin, open_interest: $2B, legs: {BTC: 50%, ETH: 50%}"),
        *account("alpha", "longs", "kind: coin_margined, open_interest: $1B, asset: BTC, side: long"),
        "overlays=[{kind: funding, at: 1m, over: 9m, rate: 60%}, {kind: margin, at: 8m, factor: 4}, "
        "{kind: funding, at: 12m, over: 9m, rate: -90%}, {kind: price_shock, at: 5m, over: 5m, size: -5%}]",
        *policy("queue"), *POOR,
    ],
    # others who must sell
    "loans": [
        "sellers.aave={kind: defi_loans, sold_on: {alpha: 2, beta: 1}, oracle: {alpha: 1}, "
        "reserve: $1M, pools: {"
        "ether: {collateral: {ETH: 100%}, liquidation_threshold: 83%, bonus: 5%, "
        "loans: [{from: 40%, to: 80%, amount: $800M}, {from: 80%, to: 82%, amount: $50M}]}, "
        "mixed: {collateral: {ETH: 40%, BTC: 60%}, liquidation_threshold: 78%, bonus: 3%, "
        "close_factor: 100%, loans: [{from: 60%, to: 77%, amount: $500M}]}}}",
        "sellers.desk={kind: cefi_loans, sold_on: {beta: 1}, pools: {bitcoin: {collateral: {BTC: 100%}, "
        "margin_call: 80%, half_life: 5m, topped_up: 60%, loans: [{from: 60%, to: 79%, amount: $2B}]}}}",
        "sellers.dats={kind: treasuries, sold_on: {beta: 1}, companies: {"
        "one: {holdings: {BTC: $2B, ETH: $1B}, debt: $1.4B, covenant: 48%, limit: $20M/m}, "
        "two: {holdings: {ETH: $200M}, debt: $100M, covenant: 51%}}}",
    ],
    "stop orders, early exits and hedges": [
        "sellers.stops={kind: stop_loss, orders: {alpha: {BTC: $300M, ETH: $200M}, beta: {BTC: $50M}}, "
        "triggers: [{from: 1%, to: 4%, share: 60%}, {from: 4%, to: 10%, share: 40%}]}",
        "sellers.back={kind: stop_loss, side: short, orders: {alpha: {BTC: $300M}}, "
        "triggers: [{from: 0.3%, to: 2%}]}",
        "sellers.early={kind: retail_exit, share: 20%, at: 70%}",
        "sellers.early-short={kind: retail_exit, side: short, assets: [BTC], share: {10x-20x: 50%}, at: 90%}",
        "sellers.puts={kind: hedge, share: {3x-5x: 50%, 5x-10x: 20%}, ratio: 50%, beyond: 5%}",
    ],
    "redemptions, momentum and calendars": [
        "sellers.funds={kind: etf, holdings: {BTC: $100B, ETH: $20B}, sensitivity: 20, half_life: 1h, "
        "remembered: {BTC: -0.02}, most: 50%, sold_on: {beta: 1}}",
        "sellers.trend={kind: momentum, holdings: {ETH: $1B}, sensitivity: 3000, half_life: 3m, flows: both, "
        "most: 1000%, sold_on: {alpha: 1, beta: 1}}",
        "sellers.dats={kind: treasuries, sold_on: {alpha: 1}, companies: {"
        "one: {holdings: {BTC: $2B, ETH: $1B}, sales: [{at: 2m, over: 5m, amount: $20M}]}}}",
    ],
    "treasuries by their premium": [
        "sellers.dats={kind: treasuries, sold_on: {beta: 1, alpha: 1}, companies: {"
        "one: {holdings: {BTC: $2B, ETH: $1B}, premium: {mnav: 1.02, elasticity: 1.7, buys: $2M/m, "
        "sells: $20M/m, sells_below: 0.99, most: 4%}, sales: [{at: 2m, over: 5m, amount: $20M}]}, "
        "two: {holdings: {ETH: $200M}, premium: {mnav: 1.1, elasticity: 3, buys: $500k/m, "
        "buys_above: 1.05}}, "
        "three: {holdings: {BTC: $500M}, premium: {mnav: 0.9, elasticity: 1.2, sells: $3M/m, "
        "sells_below: 0.895}}}}",
    ],
    # dynamics
    "gbm": ["dynamics={kind: gbm, drift: {BTC: 500%, ETH: -500%}}"],
    "student_t by steps": ["dynamics={kind: student_t, degrees_of_freedom: 3, mixing: step}"],
    "jump diffusion": [
        "dynamics={kind: jump_diffusion, "
        "common: {rate: 30000/y, mean: -1%, deviation: 2%, betas: {ETH: 1.5}}, "
        "own: {BTC: {rate: 9000/y, mean: 1%, deviation: 1%}}}",
    ],
    "stochastic_vol": ["dynamics={kind: stochastic_vol, half_life: 20m, deviation: 80%, leverage: -0.7}"],
    "stochastic_vol from a wild start": [
        "dynamics={kind: stochastic_vol, half_life: 5m, deviation: 40%, start: 4, drift: {BTC: 500%}}",
    ],
    "regimes of volatility alone": [
        "dynamics={kind: regime_switching, drift: {ETH: 300%}, "
        "regimes: {calm: {mean_duration: 10m, volatility: 0.7}, wild: {mean_duration: 4m, volatility: 4}}}",
    ],
    "regimes of everything": [
        "dynamics={kind: regime_switching, start: calm, regimes: {"
        "calm: {mean_duration: 10m, next: {uneasy: 80%, crash: 20%}}, "
        "uneasy: {mean_duration: 5m, next: {calm: 50%, crash: 50%}, volatility: 2, correlation: 0.5}, "
        "crash: {mean_duration: 3m, next: {uneasy: 100%}, volatilities: {ETH: 500%}, correlation: 0.97, "
        "drift: {BTC: -10000%, ETH: -15000%}}}}",
        "overlays=[{kind: correlation, at: 400s, over: 5m, correlation: -0.3}]",
    ],
    "bootstrap": [
        "dynamics={kind: bootstrap, file: returns.csv, interval: 60s, mean_block: 5m, "
        "drift: {BTC: 500%}}",
    ],
    "bootstrap with a filter": [
        "dynamics={kind: bootstrap, file: returns.csv, interval: 60s, mean_block: 4m, "
        "volatility: history, mean: kept, filter: {half_life: 10m, start: last}}",
    ],
    # overlays
    "correlation": [
        "overlays=[{kind: correlation, at: 90s, over: 12m, correlation: "
        "{assets: [ETH, BTC], matrix: [[1, -0.9], [-0.9, 1]]}}, "
        "{kind: correlation, at: 10m, over: 10m, correlation: 0.99}]",
        "assets.BTC.volatility=150%",
    ],
    "no overlays": ["overlays=[]"],
    # feeds, halts, outages
    "wrong and stale feeds": [
        "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -6%}, "
        "{kind: oracle_error, at: 3m, over: 4m, size: -3%, of: index, venues: [alpha]}, "
        "{kind: oracle_error, at: 12m, over: 2m, size: 2%, assets: [ETH]}, "
        "{kind: stale_feed, at: 6m, over: 5m, venues: [beta]}]",
    ],
    "feeds behind": [
        "overlays=[{kind: price_shock, at: 2m, over: 8m, size: -6%}, "
        "{kind: lagging_feed, at: 0s, over: 25m, lag: 3m, venues: [alpha, desk], assets: [BTC]}, "
        "{kind: lagging_feed, at: 4m, over: 6m, lag: 2m, venues: [beta]}, "
        "{kind: stale_feed, at: 7m, over: 5m, venues: [alpha], assets: [BTC]}, "
        "{kind: oracle_error, at: 6m, over: 2m, size: -2%, venues: [beta]}]",
        "sellers.desk={kind: cefi_loans, sold_on: {beta: 1}, pools: {bitcoin: {collateral: {BTC: 100%}, "
        "margin_call: 80%, half_life: 5m, loans: [{from: 60%, to: 79%, amount: $2B}]}}}",
        *policy("queue"), *POOR, *SLOW,
    ],
    "medians behind": [
        *MEDIANS, "venues.alpha.breakers={levels: [{move: 4%, halt: 2m}]}",
        "overlays=[{kind: price_shock, at: 2m, over: 8m, size: -6%}, "
        "{kind: lagging_feed, at: 3m, over: 12m, lag: 60s}]",
    ],
    "wrong feeds of medians": [
        *MEDIANS, "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -6%}, "
        "{kind: oracle_error, at: 4m, over: 8m, size: -5%, of: index, venues: [alpha]}, "
        "{kind: stale_feed, at: 9m, over: 3m, assets: [BTC]}]",
    ],
    "closed for a while": [
        "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -6%}, "
        "{kind: halt, at: 8m, over: 6m, venues: [alpha]}, {kind: halt, at: 20m, over: 1h, assets: [ETH]}]",
    ],
    "closed for a while, with funding": [
        "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -6%}, "
        "{kind: halt, at: 8m, over: 6m, venues: [alpha]}]",
        "venues.alpha.funding={cap: 20%}", "venues.beta.funding={interest: 0.03%, cap: 30%}", *SLOW,
    ],
    "closed, last price kept": [
        "venues.beta.mark={own: 0%, exclude_halted: false}",
        "venues.alpha.mark={kind: median, basis_half_life: 2m, exclude_halted: false}",
        "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -6%}, "
        "{kind: halt, at: 8m, over: 6m, venues: [alpha]}]", *POOR, *policy("queue"),
    ],
    "breakers from the start": [
        "venues.alpha.breakers={levels: [{move: 3%, halt: 3m}, {move: 6%, halt: 5m}]}",
        "venues.beta.breakers={levels: [{move: 5%, halt: 60s}], rises: false}",
    ],
    "breakers and medians, lenders on halted books": [
        *MEDIANS, *each_venue("breakers={levels: [{move: 2%, halt: 3m}, {move: 5%, halt: 2m}]}"),
        "venues.beta.mark={kind: median, basis_half_life: 2m, exclude_halted: false}",
        "overlays=[{kind: price_shock, at: 2m, over: 10m, size: -8%}]",
        "sellers.aave={kind: defi_loans, sold_on: {alpha: 1, beta: 2}, oracle: {alpha: 1}, reserve: $1M, "
        "pools: {ether: {collateral: {ETH: 100%}, liquidation_threshold: 83%, bonus: 5%, "
        "loans: [{from: 40%, to: 80%, amount: $500M}, {from: 80%, to: 82%, amount: $50M}]}}}",
        "venues.alpha.leverage_uncertainty={own: 40%}",
    ],
    "breakers that follow": [
        "venues.alpha.breakers={levels: [{move: 2%, halt: 2m}], reference_half_life: 10m}", *SLOW,
        *policy("queue"), *POOR,
    ],
    "outages": [
        *SLOW, "overlays=[{kind: price_shock, at: 5m, over: 10m, size: -6%}, "
        "{kind: outage, at: 7m, over: 5m, throughput: 20%, depth: 30%, venues: [alpha]}]",
    ],
    "an outage of a lender's books": [
        "sellers.desk={kind: cefi_loans, sold_on: {beta: 1}, pools: {bitcoin: {collateral: {BTC: 100%}, "
        "margin_call: 80%, half_life: 5m, loans: [{from: 60%, to: 79%, amount: $2B}]}}}",
        "venues.alpha.failures={capacity: $200M, rate: 200000/y, half_life: 5m, lasts: 4m}",
    ],
    "outages by chance": [
        *SLOW, "venues.alpha.failures={capacity: $200M, rate: 200000/y, half_life: 5m, lasts: 4m, "
        "throughput: 10%, depth: 50%}",
        "venues.beta.failures={capacity: $50M, rate: 500000/y, half_life: 5m, lasts: 2m}",
    ],
    "calm": ["overlays=[]", "assets.BTC.volatility=5%", "assets.ETH.volatility=8%"],
    "a rally": ["overlays=[{kind: price_shock, at: 90s, over: 12m, size: 8%, betas: {ETH: 1.4}}]"],
    "a crash in a step": ["overlays=[{kind: price_shock, at: 3m, over: 60s, size: -9%}]"],
    "volatility": ["overlays=[{kind: volatility, at: 2m, over: 10m, multiplier: 12, assets: [ETH]}]"],
    "depth": [
        "overlays=[{kind: depth, at: 0s, over: 20m, multiplier: 0.3, assets: [BTC]}, "
        "{kind: price_shock, at: 4m, over: 5m, size: -5%}]",
    ],
    "sizes that are drawn": [
        "overlays=[{kind: price_shock, at: 2m, over: 8m, size: -5%, betas: {ETH: 1.4}, "
        "drawn: {kind: lognormal, deviation: 50%, most: 4}}, "
        "{kind: price_shock, at: 3m, over: 4m, size: -1%, drawn: {kind: normal, mean: 0, deviation: 100%}}, "
        "{kind: volatility, at: 4m, over: 9m, multiplier: 3, assets: [ETH], "
        "drawn: {kind: triangular, least: 0, likeliest: 0.5, most: 1.5}}, "
        "{kind: depth, at: 90s, over: 15m, multiplier: 0.5, venues: [beta], "
        "drawn: {kind: uniform, least: -0.3, most: 1.2}}, {kind: depth, at: 4m, over: 5m, multiplier: 0.8}, "
        "{kind: funding, at: 1m, over: 12m, rate: 60%, drawn: {kind: uniform, least: -1, most: 2}}, "
        "{kind: price_shock, at: 9m, over: 1m, size: 1%}]",
        "venues.alpha.funding={cap: 50%}", "venues.beta.funding={cap: 90%}",
    ],
    "funds sell, others answer": [
        "overlays=[{kind: flow, at: 2m, over: 8m, amount: {BTC: -$300M, ETH: $20M}, traded_on: {beta: 1}}, "
        "{kind: flow, at: 4m, over: 8m, amount: {ETH: -$50M}, traded_on: {alpha: 1, beta: 3}, of: treasury}]",
        "sellers.funds={kind: etf, holdings: {BTC: $100B}, sensitivity: 20, half_life: 1h, most: 50%, "
        "sold_on: {beta: 1}}",
    ],
    # carrying and winding up
    "funding": [
        "venues.alpha.funding={cap: 2%}", "venues.beta.funding={interest: 0.03%, clamp: 0.01%, cap: 30%}",
    ],
    "a spike of funding, backlog, queue": [
        *policy("queue"), *POOR, *SLOW, "venues.alpha.funding={cap: 50%}", "venues.beta.funding={cap: 90%}",
        "overlays=[{kind: funding, at: 1m, over: 12m, rate: 60%}, "
        "{kind: price_shock, at: 5m, over: 5m, size: -7%}]",
    ],
    "margins raised": [
        "overlays=[{kind: price_shock, at: 2m, over: 8m, size: -5%}, "
        "{kind: margin, at: 5m, factor: 3, venues: [alpha]}, {kind: margin, at: 9m, amount: 1%}]",
    ],
    "uncertain leverage": [
        "venues.alpha.leverage_uncertainty={own: 40%, common: 30%}",
        "venues.beta.leverage_uncertainty={common: 60%}",
    ],
    "uncertain leverage, queue": [
        "venues.alpha.leverage_uncertainty={own: 80%}", *policy("queue"), *POOR, *SLOW,
    ],
    "whales": [*WHALES],
    "whales, pro rata": [*WHALES, *policy("pro_rata"), *POOR, *SLOW],
    "a market maker defaults": [
        "overlays=[{kind: market_maker_default, at: 3m, over: 10m, share: 60%, "
        "inventory: {BTC: $200M, ETH: -$60M}}]", *SLOW,
    ],
}  # fmt: skip

REAL = {"the crash of October 2025": "oct-2025.yaml", "a quiet day": "quiet-day.yaml"}


@cache
def compiled(name):
    """Scenario of a variant, or of one of the market's configs, cut to its first 95 minutes."""
    if name in REAL:
        return compile_config(load(CONFIGS.parents[1] / "configs" / REAL[name], ["run.horizon=95m"]))
    return compile_config(load(CONFIGS / "small.yaml", ["run.horizon=25m", *VARIANTS[name]]))
