"""The command `stress`: verbs, no hidden state. Everything heavy is imported inside the verbs."""

from __future__ import annotations

import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from stress.errors import ConfigError, Problem, StressError

app = typer.Typer(
    name="stress",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[str, typer.Argument(help="A run config, YAML.", metavar="CONFIG")]
Folder = Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value: run.step=15s.", metavar="KEY=VALUE")
]
Paths = Annotated[str | None, typer.Option(help="Monte Carlo paths, in place of the config's.", metavar="N")]
Seed = Annotated[str | None, typer.Option(help="Seed of all random numbers.", metavar="N")]
Backend = Annotated[str | None, typer.Option(help="Engine: auto, cuda, cpu, jax or numpy.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads; 0 takes all cores. Results do not depend on it.")]
AllowFailed = Annotated[
    float, typer.Option(min=0, max=1, help="Share of paths that may fail.", metavar="SHARE")
]
Out = Annotated[Path, typer.Option(help="Where the run's folder is made.", metavar="DIR")]


def main() -> None:
    """Entry point: errors of the user's in a sentence, our own with a traceback."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the end of a reader ends us without a word
    try:
        app()
    except StressError as error:
        if "--json" in sys.argv[1:]:
            problems = [as_object(problem) for problem in getattr(error, "problems", ())]
            show_json({"error": str(error), "problems": problems, "exit_code": error.exit_code})
        print(f"{'' if isinstance(error, ConfigError) else 'stress: '}{error}", file=sys.stderr)
        sys.exit(error.exit_code)


def as_object(problem: Problem) -> dict[str, Any]:
    """A problem with a config for JSON; file, line and column are null where it is in none."""
    place = problem.place
    return {
        "file": place.file if place else None,
        "line": place.line if place and place.line else None,
        "column": place.column if place and place.column else None,
        "path": problem.path,
        "problem": problem.problem,
        "why": problem.why,
        "suggestion": problem.suggestion,
        "text": str(problem),
    }


def overrides(
    settings: list[str] | None, paths: str | None = None, seed: str | None = None, backend: str | None = None
) -> list[str]:
    """--set and the options that stand for one, as one list."""
    named = {"run.paths": paths, "run.seed": seed, "run.backend": backend}
    return [*(settings or []), *(f"{key}={value}" for key, value in named.items() if value is not None)]


def show_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def show_version(asked: bool) -> None:
    if asked:
        from stress.provenance import package_version

        print(f"stress {package_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=show_version, help="Print the version.")
    ] = False,
) -> None:
    """Stress tests of liquidation cascades in leveraged crypto markets."""


@app.command()
def check(config: Config, settings: Set = None, as_json: AsJson = False) -> None:
    """Say whether a config is right, and all that is wrong with it."""
    from stress.runs import prepare

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


@app.command()
def show(config: Config, settings: Set = None, as_json: AsJson = False) -> None:
    """Print a config with every part and default filled in."""
    from stress.config import dump, load

    loaded = load(config, overrides(settings))
    if as_json:
        return show_json(loaded.model_dump(mode="json", by_alias=True))
    print(dump(loaded), end="")


@app.command()
def plan(
    config: Config, settings: Set = None, paths: Paths = None, seed: Seed = None, backend: Backend = None,
    threads: Threads = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what a run would take: shapes, memory, time, shards. Nothing is written."""
    from stress.plan import plan as planned
    from stress.runs import prepare

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


@app.command()
def run(
    config: Config, settings: Set = None, paths: Paths = None, seed: Seed = None, backend: Backend = None,
    out: Out = Path("results"), threads: Threads = 0, allow_failed: AllowFailed = 0.0,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Run a config and print what it found."""
    from stress.runs import prepare, start

    job = prepare(config, overrides(settings, paths, seed, backend))
    begin = partial(start, job, out, threads=threads, allow_failed=allow_failed)
    work(begin, job, as_json, out / job.folder)


@app.command()
def resume(
    folder: Folder, threads: Threads = 0, allow_failed: AllowFailed = 0.0, as_json: AsJson = False
) -> None:
    """Finish a run that was stopped."""
    from stress.runs import reopen
    from stress.runs import resume as resumed
    from stress.store import RunFolder

    job = reopen(RunFolder(folder))
    begin = partial(resumed, folder, threads=threads, allow_failed=allow_failed)
    work(begin, job, as_json, folder)


def work(begin, job, as_json: bool, folder: Path) -> None:
    """Run with a header, progress and clean ends; then print the results."""
    from stress.progress import Bar, stop_on_signals
    from stress.runs import complete
    from stress.store import RunFolder

    rest = at_rest(job)
    if not as_json:
        header(job)
        warn_at_rest(rest)
    if complete(RunFolder(folder), job):
        print("Finished before: nothing is computed again.", file=sys.stderr)
    with stop_on_signals() as stop, Bar(job.scenario.shape.n_step) as bar:
        finished = begin(progress=bar.update, stop=stop)
    report(finished.path, as_json, bar.seconds, rest)


def header(job) -> None:
    """What is run, on what."""
    from stress.provenance import device

    about, run_, machine = job.config.about, job.config.run, device()
    print(f"{about.title}\n{about.question}\n", file=sys.stderr)
    n_step = job.scenario.shape.n_step
    print(f"{job.folder}: {run_.paths:,} paths of {n_step:,} steps, seed {run_.seed}, engine {job.backend}, "
          f"{machine['processor']}, {machine['cores']} cores", file=sys.stderr)  # fmt: skip


def at_rest(job) -> dict[str, Any]:
    """What a small common shock does before anything else happens."""
    from stress.static_response import static_response
    from stress.tables import plain

    found = static_response(job.scenario)
    return {
        "supercritical": bool(found.supercritical),
        "reason": found.reason,
        "critical_shock": plain(float(found.critical_shock)),
    }


def warnings_at_rest(found: dict[str, Any]) -> list[str]:
    """What to say of a market that falls by itself."""
    return [f"the market is supercritical at rest: {found['reason']}"] if found["supercritical"] else []


def warn_at_rest(found: dict[str, Any]) -> None:
    for warning in warnings_at_rest(found):
        print(f"Warning: {warning}", file=sys.stderr)


def report(
    path: Path, as_json: bool, seconds: float | None = None, rest: dict[str, Any] | None = None
) -> None:
    """Print what a run found, and where it is."""
    from stress.report import status_line, summary, write
    from stress.runs import open_run

    found = summary(open_run(path))
    if as_json:
        found["warnings"] += warnings_at_rest(rest) if rest else []
        return show_json({"path": str(path), "cube": str(path / "cube.h5"), "seconds": seconds, **found})
    print(f"\n{write(found)}\n")
    print(status_line(found))
    print(f"{path / 'cube.h5'}: all of it, for xarray, R, MATLAB or any reader of HDF5")


@app.command()
def status(folder: Folder, as_json: AsJson = False) -> None:
    """Say how far a run is; of a finished one, print what it found."""
    from stress.runs import ranges
    from stress.store import RunFolder

    run_folder = RunFolder(folder)
    known = run_folder.manifest()
    planned = ranges(known["n_paths"], known["shard_paths"])
    there = set(run_folder.shards())
    done = sum(last - first + 1 for first, last in planned if (first, last) in there)
    finished = run_folder.cube.is_file()
    if as_json:
        counts = {"paths_done": done, "shards": len(planned), "shards_done": len(there & set(planned))}
        return show_json({"path": str(folder), "finished": finished, **counts, **known})
    state = "finished" if finished else f"not finished; `stress resume {folder}` goes on"
    shards = f"{len(there & set(planned)):,} of {len(planned):,} shards"
    print(f"{folder}: {done:,} of {known['n_paths']:,} paths, {shards}, engine {known['backend']}, "
          f"begun {known['created']}: {state}")  # fmt: skip
    if finished:
        report(folder, as_json=False)


@app.command()
def verify(
    folder: Folder,
    recompute: Annotated[int, typer.Option(min=0, help="Shards, chosen at random, to compute again.")] = 0,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Check the files of a run: any flipped bit is found. Exit code 4 if something is wrong."""
    from stress.store import RunFolder
    from stress.verify import verify as verified

    found = verified(RunFolder(folder), recompute, threads)
    if as_json:
        show_json({"path": str(folder), "files": found.files, "missing_shards": found.missing,
                   "recomputed_shards": found.recomputed, "problems": found.problems})  # fmt: skip
    else:
        for problem in found.problems:
            print(problem, file=sys.stderr)
        again = f", {len(found.recomputed)} shards computed again" if found.recomputed else ""
        lacking = f", {len(found.missing)} shards still to be computed" if found.missing else ""
        wrong = f"{len(found.problems)} problems" if found.problems else "nothing wrong"
        print(f"{folder}: {wrong}; {found.files} files looked at{again}{lacking}")
    if found.problems:
        raise typer.Exit(4)


@app.command()
def ablate(
    config: Config, settings: Set = None,
    paths: Annotated[str, typer.Option(help="Paths of every variant.", metavar="N")] = "2000",
    seed: Seed = None, backend: Backend = None, threads: Threads = 0, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what each mechanism adds: the same paths with one switched off at a time. Nothing is written."""
    from stress.ablation import ablate as ablated
    from stress.ablation import write
    from stress.runs import prepare

    job = prepare(config, overrides(settings, paths, seed, backend))
    found = ablated(job, threads, lambda name: print(f"without {name}", file=sys.stderr))
    if as_json:
        return show_json(found)
    print(write(found))


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the config language, for editors."""
    from stress.config import schema as config_schema

    show_json(config_schema())


@app.command()
def devices(as_json: AsJson = False) -> None:
    """Say which engines there are, and on what they would run."""
    from kernels import engines
    from kernels.cuda import gpu
    from stress.provenance import device

    machine, card = device(), gpu.describe()
    found = {name: engines.missing(name) for name in engines.NAMES}
    if as_json:
        listed = {name: {"missing": why} for name, why in found.items()}
        return show_json({"device": machine, "gpu": card, "engines": listed})
    print(
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    )
    if card:
        print(card)
    chosen = engines.choose("auto")
    for name, why in found.items():
        print(f"  {name:6s} {f'not there: {why}' if why else 'there'}{' (auto)' if name == chosen else ''}")


@app.command()
def bench(
    config: Annotated[
        str, typer.Argument(help="A run config, YAML.", metavar="[CONFIG]")
    ] = "configs/oct-2025.yaml",
    settings: Set = None,
    paths: Annotated[int | None, typer.Option(min=1, help="Paths of the fused engine.", metavar="N")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each engine.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure the engines: path-steps per second per core, with the work that a path is."""
    from stress.bench import bench as measured
    from stress.runs import prepare

    found = measured(
        prepare(config, overrides(settings)), repeats, paths, lambda line: print(line, file=sys.stderr)
    )
    if as_json:
        return show_json(found)
    machine = found["device"]
    print(f"{found['config']}: {found['venues']} venues, {found['assets']} assets, {found['steps']} steps; "
          f"one core of {machine['processor']}")  # fmt: skip
    for name, numbers in found["engines"].items():
        rate = numbers["path_steps_per_second_per_core"]
        print(f"  {name:6s} {rate['best']:>13,.0f} path-steps/s/core (median {rate['median']:,.0f}), "
              f"{numbers['microseconds_per_path']:,.0f} us a path, "
              f"tally {numbers['tally_microseconds_per_path']:.1f} us;\n{'':9s}"
              f"quiet {numbers['quiet_fraction']:.2f}, rounds {numbers['rounds_per_path_step']:.2f} and "
              f"flushes {numbers['flushes_per_path_step']:.2f} a path-step")  # fmt: skip
    if "cpu_over_numpy" in found:
        print(f"  cpu is {found['cpu_over_numpy']:,.0f} times as fast as numpy")
