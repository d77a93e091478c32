"""Recording a path in JAX: all fields of record_numpy.py."""

import jax
import jax.numpy as jnp
import numpy as np

from kernels.mechanisms.adl import HORIZONS
from kernels.mechanisms.cascade import MATERIAL
from kernels.mechanisms.cover.step_jax import largest_accounts
from kernels.mechanisms.vault.step_jax import gain
from kernels.mechanisms.whale.step_jax import cover
from kernels.outcome import CHANNELS, COMPONENTS, IDENTITY_BROKEN, NOT_FINITE, PAYERS, Layout
from kernels.parts.record.record_numpy import STRESSED


def begin(shape, market, dtype):
    """Running totals of one path, all zero."""
    a, v, t = shape.n_asset, shape.n_venue, shape.n_tier
    sizes = {
        "liquidated": (v, a, 2), "coins": (v, a), "liquidated_tier": (v, t), "adl_notional": (v, t),
        "hedged": (v,), "needed": (v,), "forgone": (v,), "closed": (v,), "trough": (a, v),
        "index_trough": (a,), "exogenous_trough": (a,), "branching": (a,), "exhaustion": (v,),
        "backlog": (v,), "backlog_total": (), "received": market.spread.shape,
        "loss": (len(COMPONENTS), v, t), "sold_by": (len(CHANNELS),),
    }  # fmt: skip
    if market.parts.funding is not None:
        sizes |= {"funding": (v, 2), "deleveraged_coins": (v, a)}
    if market.parts.whale is not None:
        sizes["whale_deficit"] = (a, 2, v)
    if market.parts.cover is not None:
        sizes["peak"] = (a, v)
    if market.parts.vault is not None:
        sizes["vault_inventory"] = (v + 1,)
    return {name: jnp.zeros(size, dtype) for name, size in sizes.items()}


def add(record, **amounts):
    """The record with amounts added."""
    return record | {name: record[name] + amount for name, amount in amounts.items()}


def losses(**amounts):
    """Amounts [venue, tier] by component: [component, venue, tier]."""
    nothing = jnp.zeros_like(next(iter(amounts.values())))
    return jnp.stack([amounts.get(name, nothing) for name in COMPONENTS])


def forced(record, arrays, fill, notional, lost, deficit, fee):
    """Slices executed in books: [asset, side, venue, tier] each; fill: [asset, venue].

    returns: the record, and dollars of the step
    """
    dollars = notional * fill[:, None, :, None]
    record = add(
        record,
        sold_by=by_channel(0, dollars.sum()),
        loss=losses(margin_lost=lost.sum((0, 1)), deficit=deficit.sum((0, 1)), fees=fee.sum((0, 1))),
        closed=arrays.closing_share * notional.sum((0, 1, 3)),
    )
    return liquidation(record, notional, dollars), dollars.sum()


def by_channel(channel, dollars):
    """Dollars by who sent the orders: [channel]. channel: NumPy, [n] as `dollars` or one number"""
    return jnp.zeros(len(CHANNELS), dollars.dtype).at[channel].add(dollars)


def accounts(record, market, holders, slices, legs):
    """What accounts sold in the step.

    slices : notional, lost, deficit, left: USD [slot, venue, tier]
    legs   : dollars at the fill per dollar of notional [slot, asset, side, venue]
    returns: the record; deficits [venue, tier] and income [venue] for funds; dollars of the step
    """
    arrays, part = market.arrays, holders.part
    dollars = legs.sum(axis=(1, 2))[..., None] * slices[0]
    exits = (part.channel == CHANNELS.index("retail_exit"))[:, None] * slices[0].sum(axis=2)
    exited = jnp.einsum("svat,sv->v", jnp.abs(part.sold), exits)
    record = add(
        record,
        sold_by=by_channel(part.channel, dollars.sum((1, 2))),
        closed=arrays.closing_share * exited,
    )
    # Sales that are no liquidations lose nothing here: their holders stay with what they have got.
    notional, lost, deficit, left, dollars = (part.losing[..., None] * x for x in (*slices, dollars))
    available = jnp.maximum(left, 0.0)
    fee = jnp.minimum(arrays.fee_rate[:, None] * dollars, available)
    surplus = arrays.surplus_share[:, None] * (available - fee)
    whole = notional.sum(axis=2)
    coins = jnp.einsum("svat,sv->va", jnp.abs(part.sold), whole)
    record = add(
        record,
        loss=losses(margin_lost=lost.sum(0), deficit=deficit.sum(0), fees=fee.sum(0)),
        liquidated=jnp.einsum("saiv,sv->vai", legs, whole),
        coins=coins,
        liquidated_tier=dollars.sum(0),
        closed=arrays.closing_share * coins.sum(1),
    )
    return record, deficit.sum(0), (fee + surplus).sum((0, 2)), dollars.sum()


def deleveraged_accounts(record, closed, price, at_mark):
    """Bankrupt accounts closed against winners in the market of every leg; all as in `deleveraged`."""
    sign = np.array([1, -1], np.float32)[:, None]
    given = jnp.where(at_mark[:, None], 0.0, closed.deficit)
    coins = closed.size[..., None] * closed.notional[:, None, None]
    forgone = closed.size[..., None] * given[:, None, None]
    # A long is sold above the mark by what its winners forgo, a short is bought below it.
    dollars = coins * price[:, None, :, None] + sign[..., None] * forgone
    coins, dollars = coins.sum(0), dollars.sum(0)
    by_venue = forgone.sum((0, 1, 2, 4))
    record = add(
        record,
        loss=losses(margin_lost=closed.lost.sum(0), deficit=closed.deficit.sum(0), adl=given.sum(0)),
        adl_notional=closed.taken.sum((0, 1, 2)),
        closed=coins.sum((0, 1, 3)),
        forgone=by_venue,
        needed=by_venue,
        hedged=closed.hedged.sum((0, 1, 2)),
    )
    closings = ((sign * x.sum(3)).sum(1) for x in (coins, dollars))
    record = gone(record, coins.sum((1, 3)))
    return liquidation(record, coins, dollars), dollars.sum(), *closings


def gone(record, coins):
    """Coins closed by deleveraging [asset, venue], which no longer pay funding."""
    return add(record, deleveraged_coins=coins.T) if "deleveraged_coins" in record else record


def whales(record, deficit):
    """Deficits of whales [asset, side, venue]."""
    return add(record, whale_deficit=deficit)


def sent(record, channel, orders, fill):
    """Frozen flows that were executed: [source, asset, venue]; fill: [asset, venue]."""
    return add(record, sold_by=by_channel(channel, (jnp.abs(orders) * fill).sum((1, 2))))


def vaults(record, taken, fill, held):
    """Forced flow that vaults took [asset, side, venue], and what they hold after the step [asset, venue]."""
    record = add(record, sold_by=by_channel(0, -(taken.sum(1) * fill).sum()))
    inventory = with_total(jnp.abs(held).sum(0), (0,))
    return record | {"vault_inventory": jnp.maximum(record["vault_inventory"], inventory)}


def vault_settled(record, market, settled, price):
    """Deficits of vaults, and inventories closed against winners; price: marks [asset, venue].

    returns: the record; deficits for funds [venue, tier]; coins and dollars of the closings [asset, venue]
    """
    whose = market.parts.vault.whose
    paid, coins = settled.forgone.sum(0), jnp.abs(settled.closed)
    sign = jnp.where(settled.closed < 0, -1.0, 1.0)
    record = add(
        record,
        loss=losses(deficit=settled.deficit[:, None] * whose, adl=paid[:, None] * whose),
        adl_notional=settled.taken.sum((0, 1)),
        # A share of it counts already, as forced.
        closed=((1 - market.arrays.closing_share) * coins).sum(0),
        forgone=paid,
        needed=paid,
        hedged=settled.hedged.sum((0, 1)),
    )
    rest = (settled.deficit - paid)[:, None] * whose
    record = gone(record, coins)
    return record, rest, settled.closed, sign * coins * price + settled.forgone


def deleveraged(record, closed, price, paid, at_mark, claims):
    """Bankrupt positions closed against winners; price: marks [asset, venue]; at_mark: bool [venue].

    paid   : funding, by a start dollar of longs [asset, venue]; None: nothing
    claims : deficits of earlier steps that the winners pay besides [asset, venue, tier]; None: none
    returns: the record; dollars of the step; coins and dollars of the closings [asset, venue], longs positive
    """
    notional, margin, deficit = closed.notional, closed.margin, closed.deficit
    sign = np.array([1, -1], np.float32)[:, None]
    at_price = notional * price[:, None, :, None]
    whole = notional if paid is None else notional * (1 + paid)[:, None, :, None]
    dollars = jnp.where(at_mark[:, None], at_price, whole - sign[..., None] * margin)
    given = jnp.where(at_mark[:, None], 0.0, deficit)
    coins, forgone = notional.sum(3), given.sum((0, 1, 3))
    by_winners, received = given.sum((0, 1)), (sign * dollars.sum(3)).sum(1)
    if claims is not None:
        forgone = forgone + claims.sum((0, 2))
        by_winners = by_winners + claims.sum(0)
        received = received + claims.sum(2)
    record = add(
        record,
        loss=losses(margin_lost=margin.sum((0, 1)), deficit=deficit.sum((0, 1)), adl=by_winners),
        adl_notional=closed.taken.sum((0, 1)),
        closed=coins.sum((0, 1)),
        forgone=forgone,
        needed=forgone,
        hedged=closed.hedged.sum((0, 1)),
    )
    record = gone(record, coins.sum(1))
    return liquidation(record, notional, dollars), dollars.sum(), (sign * coins).sum(1), received


def liquidation(record, notional, dollars):
    return add(
        record,
        liquidated=jnp.moveaxis(dollars.sum(3), 2, 0),
        coins=notional.sum((1, 3)).T,
        liquidated_tier=dollars.sum((0, 1)),
    )


def cascades(record, active, first, total, depth):
    """Branching ratio of the step's cascades; all [asset], depth [asset, venue]."""
    material = active & (total > MATERIAL * depth.sum(-1)) & (first > 0)
    ratio = jnp.where(material, 1 - first / jnp.where(total > 0, total, 1.0), 0.0)
    return record | {"branching": jnp.maximum(record["branching"], ratio)}


def funding_paid(record, by_longs):
    """Funding of a step: USD that longs pay to shorts, negative where shorts pay [asset, venue]."""
    sides = jnp.stack([jnp.maximum(sign * by_longs, 0.0).sum(0) for sign in (1, -1)], axis=-1)
    return add(record, funding=sides)


def backlogs(record, waiting):
    """Notional triggered and not executed at the end of the step [venue]."""
    return record | {
        "backlog": jnp.maximum(record["backlog"], waiting),
        "backlog_total": jnp.maximum(record["backlog_total"], waiting.sum()),
    }


def funds(record, paid, income, minutes, spent):
    """Who paid the step's deficits, by component [venue, tier]; note the first exhaustion."""
    never = record["exhaustion"] == 0
    record = record | {"exhaustion": jnp.where(never & spent, minutes, record["exhaustion"])}
    return add(record, loss=losses(**paid), received=income)


def prices(record, arrays, price, exogenous):
    """Troughs after a step."""
    index = (price * arrays.index_weight).sum(-1)
    if "peak" in record:
        record = record | {"peak": jnp.maximum(record["peak"], price)}
    return record | {
        "trough": jnp.minimum(record["trough"], price),
        "index_trough": jnp.minimum(record["index_trough"], index),
        "exogenous_trough": jnp.minimum(record["exogenous_trough"], exogenous),
    }


def with_total(values, axes):
    """`values` with one more entry, the sum, at the end of each of the axes."""
    for axis in axes:
        values = jnp.concatenate([values, values.sum(axis=axis, keepdims=True)], axis=axis)
    return values


def forgone(shape, record, coins, dollars, price):
    """What winners would have made more by holding on: USD [horizon, venue], negative where less.

    coins, dollars, price: of every step [step, asset, venue]; sold counts positive, bought negative
    """
    waits = [max(int(minutes * 60 / shape.dt_seconds + 0.5), 1) for minutes in HORIZONS]
    found = [record["forgone"]]
    for wait in waits[1:]:
        later = np.minimum(np.arange(shape.n_step) + wait, shape.n_step - 1)
        found.append((dollars - coins * jnp.exp(price[later])).sum((0, 1)))
    return jnp.stack(found)


def ended(record, market, inventory, price):
    """The record, and fields of a path that follow from its end alone, by name.

    inventory: of vaults, or None; price: log, last traded [asset, venue]
    """
    found = {}
    if inventory is not None:
        # What vaults hold has not closed.
        held = market.arrays.closing_share * jnp.abs(inventory.held).sum(0)
        record = add(record, closed=-held)
        found["vault_inventory"] = record["vault_inventory"]
        found["vault_loss"] = with_total(jnp.maximum(-gain(inventory, jnp.exp(price)), 0.0), (0,))
    if "whale_deficit" in record:
        found["cover"] = cover(record["whale_deficit"])
    if market.parts.cover is not None:
        listed = largest_accounts(market.parts.cover, record["trough"], record["peak"])
        found["cover_listed"], found["cover_shortfall"] = listed
    return record, found


def fields(shape, arrays, record, steps):
    """All fields of `kernels.outcome` of one path, by name; zero where the run has no part that they need.

    steps: of every step: `flow` [step], `coins` and `dollars` of deleveraging, `price` [step, asset, venue]
    """
    component = {name: record["loss"][i] for i, name in enumerate(COMPONENTS)}
    component["total"] = component["margin_lost"] + component["deficit"]
    stressed = record["exogenous_trough"] < STRESSED
    index, exogenous = -record["index_trough"] * stressed, -record["exogenous_trough"] * stressed
    cumulative = jnp.concatenate([jnp.zeros_like(steps["flow"][:1]), jnp.cumsum(steps["flow"])])
    window = min(shape.window_steps, shape.n_step)
    held_on = forgone(shape, record, steps["coins"], steps["dollars"], steps["price"])
    branching = record["branching"]
    found = {
        "loss": with_total(jnp.stack([component[name] for name in COMPONENTS]), (1, 2)),
        "liquidated": with_total(record["liquidated"], (0, 1, 2)),
        "liquidated_coins": with_total(record["coins"], (0, 1)),
        "liquidated_tier": with_total(record["liquidated_tier"], (0, 1)),
        "adl_notional": with_total(record["adl_notional"], (0, 1)),
        "adl_hedged": with_total(record["hedged"], (0,)),
        "adl_forgone": with_total(jnp.maximum(held_on, 0.0), (1,)),
        "adl_spared": with_total(jnp.maximum(-held_on, 0.0), (1,)),
        "adl_overshoot": with_total(jnp.maximum(held_on - record["needed"], 0.0), (1,)),
        "open_interest_closed": with_total(record["closed"], (0,)),
        "fall": (1 - jnp.exp(record["trough"])) * arrays.listed,
        "index_fall": 1 - jnp.exp(record["index_trough"]),
        "exogenous_fall": 1 - jnp.exp(record["exogenous_trough"]),
        "stressed_index_trough": index,
        "stressed_exogenous_trough": exogenous,
        "amplification": jnp.where(stressed, index / jnp.where(stressed, exogenous, 1.0), 0.0),
        "amplification_points": jnp.maximum(record["exogenous_trough"] - record["index_trough"], 0.0),
        "branching_ratio": jnp.append(branching, branching.max()),
        "exhaustion_time": record["exhaustion"],
        "venues_exhausted": (record["exhaustion"] > 0).sum().astype(branching.dtype),
        "backlog": jnp.append(record["backlog"], record["backlog_total"]),
        "sold_by": record["sold_by"],
        "worst_window": (cumulative[window:] - cumulative[:-window]).max(),
    }
    if "funding" in record:
        found["funding"] = with_total(record["funding"], (0,))
    for name, dims in Layout(shape).shapes.items():
        found.setdefault(name, jnp.zeros(dims, branching.dtype))
    return {name: jnp.maximum(value, 0.0) for name, value in found.items()}


def check(market, record, funds, price, flow):
    """Status bits of identities that do not hold, as in record_numpy.py; tolerances are those of the type."""
    component = {name: record["loss"][i] for i, name in enumerate(COMPONENTS)}
    rounding = 1e-9 if price.dtype == jnp.float64 else 1e-4
    start = market.spread * market.arrays.fund
    had, drawn = start + record["received"], component["fund_draw"].sum(1)
    in_cash = had.sum(0) - funds.cash.sum(0)
    sound = (funds.cash >= 0).all()
    if funds.coins is not None:
        held = start * market.parts.waterfall.coin_share
        in_cash, drawn = in_cash - held.sum(0), drawn - funds.sold.sum(0)
        kept = jnp.where(funds.sold > 0, 0.0, held - funds.coins)
        sound &= (jnp.abs(kept) <= rounding * (had + 1)).all() & (funds.coins >= 0).all()
    sound &= (jnp.abs(in_cash - drawn) <= rounding * (had.sum(0) + drawn + 1)).all()
    paid = sum(component[name] for name in PAYERS)
    sound &= (jnp.abs(component["deficit"] - paid) <= rounding * (component["deficit"] + 1)).all()
    least = 1e-6 if price.dtype == jnp.float64 else rounding * (component["deficit"] + 1)
    sound &= (jnp.stack([component[name] for name in PAYERS]) >= -least).all()
    total = flow.sum()
    sound &= jnp.abs(total - record["liquidated_tier"].sum()) <= 1e3 * rounding * total + 1
    finite = jnp.isfinite(price).all()
    for value in jax.tree.leaves(record):
        finite &= jnp.isfinite(value).all()
    return jnp.where(sound, 0, IDENTITY_BROKEN) | jnp.where(finite, 0, NOT_FINITE)


def rows(shape, found):
    """Outcome rows of NumPy fields [path, ...]: [path, cell]."""
    layout = Layout(shape)
    some = next(iter(found.values()))
    block = np.zeros((len(some), layout.n_cell), some.dtype)
    for name, part in layout.slices.items():
        block[:, part] = found[name].reshape(len(block), -1)
    return block
