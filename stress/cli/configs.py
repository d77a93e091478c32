"""Verbs that look at a config, and compute no path of it that is kept."""

from __future__ import annotations

from typing import Any

from stress.cli.options import AsJson, Backend, Config, Paths, Seed, Set, Threads, overrides, show_json
from stress.cli.rest import at_rest, warn_at_rest


def check(config: Config, settings: Set = None, as_json: AsJson = False) -> None:
    """Say whether a config is right, and all that is wrong with it."""
    from stress.jobs import prepare

    job = prepare(config, overrides(settings))
    shape = job.scenario.shape
    facts = {
        "config": config,
        "venues": shape.n_venue,
        "assets": shape.n_asset,
        "tiers": shape.n_tier,
        "steps": shape.n_step,
    }
    if as_json:
        return show_json(facts | {"problems": []})
    words = ", ".join(f"{count} {noun}" for noun, count in facts.items() if noun != "config")
    print(f"{config}: nothing wrong. {words}; {job.config.run.paths:,} paths.")


def show(config: Config, settings: Set = None, as_json: AsJson = False) -> None:
    """Print a config with every part and default filled in."""
    from stress.config import dump, load

    loaded = load(config, overrides(settings))
    if as_json:
        return show_json(loaded.model_dump(mode="json", by_alias=True))
    print(dump(loaded), end="")


def plan(
    config: Config, settings: Set = None, paths: Paths = None, seed: Seed = None, backend: Backend = None,
    threads: Threads = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what a run would take: shapes, memory, time, shards. Nothing is written."""
    from stress.jobs import prepare
    from stress.plan import plan as planned

    job = prepare(config, overrides(settings, paths, seed, backend))
    found: dict[str, Any] = {**planned(job, threads), "at_rest": at_rest(job)}
    if as_json:
        return show_json(found)
    minutes = found["seconds"] / 60
    lasting = (
        f"{found['seconds']:.0f} s"
        if minutes < 2
        else f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.1f} h"
    )
    print(f"""{found["folder"]}
  market   {found["venues"]} venues, {found["assets"]} assets, {found["tiers"]} leverage tiers
  time     {found["steps"]:,} steps of {found["step_seconds"]:g} s
  paths    {found["paths"]:,} in {found["shards"]:,} shards of up to {found["shard_paths"]:,}
  engine   {found["backend"]}, {1e6 * found["path_seconds"]:,.0f} microseconds a path, measured
  memory   about {found["memory_bytes"] / 2**20:,.0f} MiB, however many paths
  takes    about {lasting}""")
    warn_at_rest(found["at_rest"])


def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the config language, for editors."""
    from stress.config import schema as config_schema

    show_json(config_schema())
