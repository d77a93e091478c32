"""Frozen flows: who sends orders by a schedule, and who follows past returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.mechanisms.flow import MAX_COMPANY, MAX_SOURCE, Flow, Response
from kernels.mechanisms.flow import Premium as PremiumPart
from kernels.outcome import CHANNELS
from kernels.scenario import ScenarioShape
from stress.compile.books import halving, markets
from stress.compile.loans import sales
from stress.compile.overlays import chosen, overlap
from stress.config.seller import Company, Etf, Followers, Momentum, Premium, Treasuries

if TYPE_CHECKING:
    from stress.config import RunConfig
    from stress.config.overlay import MarketMakerDefault


MOST_RISE = 60.0
"""Log rise of holdings beyond which nobody looks."""


def parts(config: RunConfig, shape: ScenarioShape) -> dict[str, Any]:
    """The part of frozen flows; none where nobody sends any."""
    sources: list[tuple[str, np.ndarray]] = []
    defaults = [o for o in config.overlays if o.kind == "market_maker_default" and any(o.inventory.values())]
    if defaults:
        wound_up = [winding_up(config, shape, default) for default in defaults]
        sources.append(("market_maker", np.sum(wound_up, axis=0)))
    calendar = calendar_sales(config, shape) + ordered(config, shape, "treasury")
    companies = with_premium(config)
    if calendar.any() or companies:
        sources.append(("treasury", calendar))
    treasury = len(sources) - 1
    if (redemptions := ordered(config, shape, "etf")).any():
        sources.append(("etf", redemptions))
    followers = {name: s for name, s in config.sellers.items() if isinstance(s, Etf | Momentum)}
    sources += [(s.kind, np.zeros_like(calendar)) for s in followers.values()]
    if not sources:
        return {}
    if len(sources) > MAX_SOURCE:
        name = list(followers)[MAX_SOURCE - len(sources)]
        why = f"with market makers in default and treasuries, at most {MAX_SOURCE}"
        raise config.error(("sellers", name), "is one source of orders too many", why)
    found: dict[str, Any] = {"flow": flow(sources)}
    if companies:
        found["premium"] = premiums(config, shape, treasury, companies)
    if followers:
        found["response"] = response(config, shape, len(sources), list(followers.values()))
    return found


def calendar_sales(config: RunConfig, shape: ScenarioShape) -> np.ndarray:
    """What treasury companies sell by the calendar: net purchases [step, asset, venue]."""
    found = np.zeros((shape.n_step, shape.n_asset, shape.n_venue))
    for seller in (s for s in config.sellers.values() if isinstance(s, Treasuries)):
        for company in seller.companies.values():
            held = sum(company.holdings.values())
            shares = {asset: amount / held for asset, amount in company.holdings.items()}
            where = sales(config, shape, shares, seller.sold_on)
            for sale in company.sales:
                share = overlap(config, sale.at, sale.over) * config.run.step / sale.over
                found -= share[:, None, None] * sale.amount * where
    return found


def ordered(config: RunConfig, shape: ScenarioShape, of: str) -> np.ndarray:
    """Net purchases by events of kind `flow`, Eq. (9) of docs/methods/overlay.md: [step, asset, venue]."""
    found = np.zeros((shape.n_step, shape.n_asset, shape.n_venue))
    for event in (o for o in config.overlays if o.kind == "flow" and o.of == of):
        share = overlap(config, event.at, event.over) * config.run.step / event.over
        found += share[:, None, None] * sales(config, shape, event.amount, event.traded_on)
    return found


def with_premium(config: RunConfig) -> list[tuple[Treasuries, Company, Premium]]:
    """Treasury companies that go by the premium of their shares.

    raises: ConfigError where there are more than the engine has room for
    """
    found = []
    for name, seller in config.sellers.items():
        for key, company in seller.companies.items() if isinstance(seller, Treasuries) else ():
            if company.premium is None:
                continue
            found.append((seller, company, company.premium))
            if len(found) > MAX_COMPANY:
                path = ("sellers", name, "companies", key, "premium")
                raise config.error(path, "is one too many", f"at most {MAX_COMPANY} companies have one")
    return found


def premiums(
    config: RunConfig, shape: ScenarioShape, source: int, companies: list[tuple[Treasuries, Company, Premium]]
) -> PremiumPart:
    """The part of companies with a premium, Eqs. (5) and (6) of docs/methods/flow.md."""
    shares, above, below, buys, sells, most = [], [], [], [], [], []
    for seller, company, rule in companies:
        held = sum(company.holdings.values())
        share = {asset: amount / held for asset, amount in company.holdings.items()}
        where = sales(config, shape, share, seller.sold_on) * config.run.step
        shares.append([share.get(asset, 0.0) for asset in shape.assets])
        above.append(math.inf if rule.buys is None else value_at(rule, rule.buys_above))
        below.append(0.0 if rule.sells is None else value_at(rule, rule.sells_below))
        buys.append((rule.buys or 0.0) * where)
        sells.append((rule.sells or 0.0) * where)
        most.append(min(rule.most * held, held - sum(sale.amount for sale in company.sales)))
    columns = (np.array(column, float) for column in (shares, above, below, buys, sells, most))
    return PremiumPart(np.full(len(companies), source, np.int32), *columns)


def value_at(rule: Premium, mnav: float) -> float:
    """Value of the holdings over the start at which a company's mNAV is this."""
    return math.exp(min(math.log(mnav / rule.mnav) / (rule.elasticity - 1), MOST_RISE))


def response(
    config: RunConfig, shape: ScenarioShape, n_source: int, followers: Sequence[Followers]
) -> Response:
    """The last sources answer returns, Eqs. (3) and (4) of docs/methods/flow.md."""
    assets = (n_source, shape.n_asset)
    arrays = {name: np.zeros(assets) for name in ("start", "lowest", "highest")}
    decay, rate = np.zeros(n_source), np.zeros((*assets, shape.n_venue))
    days = config.run.step / 86_400
    for i, seller in enumerate(followers, n_source - len(followers)):
        decay[i] = halving(config.run.step, seller.half_life)
        arrays["start"][i] = [seller.remembered.get(asset, 0.0) for asset in shape.assets]
        arrays["lowest"][i] = -seller.most / seller.sensitivity if seller.sensitivity else 0.0
        arrays["highest"][i] = -arrays["lowest"][i] if seller.flows == "both" else 0.0
        held = sales(config, shape, seller.holdings, seller.sold_on)
        rate[i] = seller.sensitivity * days * held
    return Response(decay=decay, rate=rate, **arrays)


def flow(sources: Sequence[tuple[str, np.ndarray]]) -> Flow:
    """The part of schedules with their channels, net purchases [step, asset, venue], as few distinct rows."""
    orders = np.stack([schedule for _, schedule in sources], axis=1)
    n_step, shape = len(orders), orders.shape[1:]
    level, row = np.unique(orders.reshape(n_step, -1), axis=0, return_inverse=True)
    quiet = (level == 0).all(axis=1)
    place = np.where(quiet, 0, np.cumsum(~quiet))
    level = np.concatenate([np.zeros((1, level.shape[1])), level[~quiet]])
    channel = np.array([CHANNELS.index(name) for name, _ in sources], np.int32)
    return Flow(place[row.reshape(-1)].astype(np.int32), level.reshape(-1, *shape), channel)


def winding_up(config: RunConfig, shape: ScenarioShape, default: MarketMakerDefault) -> np.ndarray:
    """Net purchases that close a market maker's positions, Eq. (6) of docs/methods/overlay.md."""
    venues = chosen(shape.venues, default.venues)
    depth = np.zeros((shape.n_asset, shape.n_venue))
    for a, v, _, _, market in markets(config):
        depth[a, v] = market.depth * venues[v]
    total = depth.sum(axis=1, keepdims=True)
    held = np.array([default.inventory.get(asset, 0.0) for asset in shape.assets])[:, None]
    sales = held * depth / np.where(total > 0, total, 1.0)
    share = overlap(config, default.at, default.over) * config.run.step / default.over
    return -share[:, None, None] * sales
