"""Tasks of an array: each computes its share of a run's shards by itself, and talks to no other.

Shards are pure functions of the config and a range of paths, and appear whole or not at all, so tasks may
share the run's folder or have one each, and a share that is computed twice changes nothing. `stress merge`
does the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stress.errors import ConfigError, quoted
from stress.jobs import Job, reopen
from stress.runs import begin, fill
from stress.store import Range, RunFolder
from stress.tally import bounded

if TYPE_CHECKING:
    from stress.shards import Progress, Stop

GRAMMAR = (
    "--shard 3/8 is the third of eight tasks, --shard /8 and --shard auto ask the scheduler for the rest"
)


@dataclass(frozen=True)
class Share:
    """One of `tasks` nearly equal parts of a run, in order; `task` counts from 1."""

    task: int
    tasks: int

    def __str__(self) -> str:
        return f"{self.task}/{self.tasks}"

    def of(self, shards: list[Range]) -> list[Range]:
        """The shards that are this task's; none where there are more tasks than shards."""
        bounds = [len(shards) * number // self.tasks for number in (self.task - 1, self.task)]
        return shards[slice(*bounds)]


@dataclass(frozen=True)
class Scheduler:
    """What tells a task which one it is: environment variables by their names; empty where there is none.

    first: the least of the array's numbers, which is 0 where no variable says it
    count: how many tasks there are
    """

    name: str
    number: str
    first: str = ""
    count: str = ""


SCHEDULERS = (
    Scheduler("Kubernetes", "JOB_COMPLETION_INDEX"),
    Scheduler("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", count="AWS_BATCH_JOB_ARRAY_SIZE"),
    Scheduler("Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"),
)


def share(text: str, environment: Mapping[str, str] = os.environ) -> Share:
    """What --shard stands for: "3/8"; "/8", whose task the scheduler says; "auto", where it says both.

    raises: `ConfigError`
    """
    if text == "auto":
        return by_scheduler(None, environment)
    known = re.fullmatch(r"(\d{0,9})/(\d{1,9})", text)
    if not known:
        raise ConfigError(f"--shard {quoted(text)} is no share of a run: {GRAMMAR}.")
    tasks = int(known[2])
    if not known[1]:
        return by_scheduler(tasks, environment)
    if not 1 <= int(known[1]) <= tasks:
        raise ConfigError(
            f"--shard {text}: there is no such task (they are counted from 1). Take 1/{tasks} to "
            f"{tasks}/{tasks}."
            if tasks
            else f"--shard {text}: a run has one task at least. {GRAMMAR}."
        )
    return Share(int(known[1]), tasks)


def by_scheduler(tasks: int | None, environment: Mapping[str, str]) -> Share:
    """The share by the variables of the scheduler that there is; `tasks` where --shard says it."""
    present = [known for known in SCHEDULERS if environment.get(known.number)]
    if len(present) != 1:
        names = ", ".join(known.number for known in present or SCHEDULERS)
        what = "which task this is: they contradict each other" if present else "which task this is"
        sets = f"both {names} are set" if present else f"none of {names} is set"
        raise ConfigError(f"--shard: nothing says {what} ({sets}). Say it yourself: --shard 3/8.")
    (scheduler,) = present
    number, first, count = (
        whole(name, environment) for name in (scheduler.number, scheduler.first, scheduler.count)
    )
    if tasks is None:
        tasks = count
    if tasks is None:
        raise ConfigError(
            f"--shard auto: {scheduler.name} does not say how many tasks there are. Say it: --shard /8."
        )
    itself = f"Say the task itself: --shard 3/{tasks}"
    if count not in (None, tasks):
        raise ConfigError(
            f"--shard /{tasks}: {scheduler.count} says {count} (of an array that is submitted again in part, "
            f"shares are not known). {itself}."
        )
    if first not in (None, 0, 1):
        raise ConfigError(
            f"--shard: {scheduler.first} is {first} (the array begins neither at 0 nor at 1, so it may be "
            f"part of a larger one). {itself}."
        )
    task = (number or 0) - (first or 0) + 1
    if not 1 <= task <= tasks:
        raise ConfigError(
            f"--shard: {scheduler.number} is {number}, which is no task of {tasks} (numbers must follow one "
            f"another, from {first or 0} on). {itself}."
        )
    return Share(task, tasks)


def whole(name: str, environment: Mapping[str, str]) -> int | None:
    """A variable as a number; None if it is not set, `ConfigError` if it is none."""
    text = environment.get(name, "") if name else ""
    if text and not re.fullmatch(r"\d{1,9}", text):
        raise ConfigError(f"{name} is {quoted(text)} (a task's number was expected there).")
    return int(text) if text else None


def run_share(
    job: Job,
    part: Share,
    out: str | os.PathLike[str] = "results",
    *,
    threads: int = 0,
    allow_failed: float = 0.0,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> list[Range]:
    """Compute a share of a job in a folder below `out`, which other tasks may use at the same time.

    returns: the shards of the share; other arguments and errors as for `stress.runs.run`
    """
    threads, folder = bounded(threads), RunFolder(Path(out) / job.folder)
    if not folder.exists:
        begin(folder, job, shared=True)
    job = reopen(folder)
    mine = part.of(job.shards)
    fill(folder, job, mine, "The same command", threads, allow_failed, progress, stop)
    return mine
