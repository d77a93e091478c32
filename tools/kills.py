"""Kill a run again and again at random moments, go on with it, and compare it with one that nobody killed.

    python tools/kills.py CONFIG [--kills 200] [--backend cpu] [--set KEY=VALUE] [--seed 1] [--tasks 3]

Signals are SIGTERM, SIGINT and SIGKILL, and threads are another number each time. After every kill: the
process was gone in time, with exit code 75 unless it was killed outright, was done, or had hardly been
started; no shard that was published is lost or changed. At every end: all results have the bits of the run
that was left alone. With --tasks, what is killed are the tasks of an array, whose shares `stress merge`
brings together. Ends with 1 if anything of that is not so.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

SIGNALS = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
IN_TIME = 20.0
CHANGES = ("run.json", "log.jsonl")
"""Files that tell the time."""


class Trial:
    """Folders to run in, and what was seen."""

    def __init__(self, arguments: argparse.Namespace, below: Path):
        self.arguments, self.below, self.seen = arguments, below, Counter()
        self.random = random.Random(arguments.seed)
        self.wrong: list[str] = []
        self.slowest = 0.0

    def command(self, out: Path, *more: str) -> list[str]:
        settings = [word for setting in self.arguments.set for word in ("--set", setting)]
        backend = ["--backend", self.arguments.backend]
        return ["run", self.arguments.config, "--out", str(out), *backend, *settings, *more]

    def begin(self, words: list[str], log: Path) -> int:
        """The command in a process of its own, forked, as Python's imports take longer than a small run."""
        sys.stdout.flush()
        if process := os.fork():
            return process
        with open(log, "wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = 1
        try:
            sys.argv = ["stress", *words]
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def ended(self, process: int, patience: float) -> int | None:
        """Exit code, negative for a signal; None, and the process killed, if it takes longer."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        return None

    def whole(self, words: list[str]) -> float:
        """Let a command end by itself; its seconds."""
        log, begun = self.below / "log", time.monotonic()
        code = self.ended(self.begin(words, log), 3600)
        if code:
            raise SystemExit(f"{' '.join(words)} ended with {code}: {log.read_text()}")
        return time.monotonic() - begun

    def killed(self, words: list[str], out: Path, longest: float) -> bool:
        """Run a command and kill it at a random moment; whether it ended by itself before."""
        before, log = shards(out), self.below / "log"
        process = self.begin(words, log)
        code = self.ended_before(process, self.random.uniform(0, longest))
        if code is None:
            number = self.random.choice(SIGNALS)
            os.kill(process, number)
            begun = time.monotonic()
            code = self.ended(process, IN_TIME)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.seen[number.name] += 1
            if code not in (75, 0, -number, 128 + number):
                self.wrong.append(f"{number.name} ended with {code}: {log.read_text()[-2000:]}")
        self.seen[f"exit {code}"] += 1
        after = shards(out)
        if lost := [name for name, content in before.items() if after.get(name) != content]:
            self.wrong.append(f"{len(lost)} shards were lost or changed: {lost[0]}")
        return code == 0

    def ended_before(self, process: int, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.001)
        return None

    def attempt(self, number: int, longest: float) -> Path:
        """One run, killed until it is done; the folder of the run."""
        out = self.below / f"out-{number}"
        n_task = self.arguments.tasks
        shares = [("--shard", f"{task}/{n_task}") for task in range(1, n_task + 1)] if n_task else [()]
        while shares:
            share = self.random.choice(shares)
            words = self.command(out, *share, "--threads", str(self.random.randint(1, 3)))
            if not share and (folders := folders_of(out)) and self.random.random() < 0.5:
                words = ["resume", str(folders[0]), "--threads", str(self.random.randint(1, 3))]
            if self.kills >= self.arguments.kills:
                self.whole(words)
                shares.remove(share)
            elif self.killed(words, out, longest):
                shares.remove(share)
        (folder,) = folders_of(out)
        if n_task:
            self.whole(["merge", str(folder)])
        return folder

    @property
    def kills(self) -> int:
        return sum(self.seen[number.name] for number in set(SIGNALS))


def folders_of(out: Path) -> list[Path]:
    return [file.parent for file in out.glob("*/run.json")]


def shards(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in out.glob("*/shards/shard-*.h5")}


def results(folder: Path) -> dict[str, bytes]:
    """Every file of a run but those that tell the time, and what a killed process left half written."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in CHANGES]
    return {str(f.relative_to(folder)): f.read_bytes() for f in files if not f.name.startswith(".")}


def main() -> None:
    """The command `stress`."""
    from stress.cli import main as stress

    stress()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("config")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=0)
    return parser.parse_args()


def torture(trial: Trial) -> None:
    longest = 0.4 * trial.whole(trial.command(trial.below / "whole"))
    (alone,) = folders_of(trial.below / "whole")
    expected = results(alone)
    number = 0
    while trial.kills < trial.arguments.kills and not trial.wrong:
        folder = trial.attempt(number := number + 1, longest)
        found = results(folder)
        if differ := sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)):
            trial.wrong.append(
                f"attempt {number}: {', '.join(differ)} differ from the run that was left alone"
            )
        shutil.rmtree(trial.below / f"out-{number}")
    print(f"{trial.kills} kills in {number} runs, {dict(sorted(trial.seen.items()))}; "
          f"slowest end after a signal {trial.slowest:.2f} s")  # fmt: skip


if __name__ == "__main__":
    import stress.cli.runs
    import stress.compile
    import stress.cube
    import stress.io
    import stress.runs
    import stress.terminal.progress

    # What a finished run prints takes longer than a small run itself, and nothing is written there.
    stress.cli.runs.report = lambda *_: None
    with tempfile.TemporaryDirectory() as name:
        trial = Trial(parsed(), Path(name))
        torture(trial)
    for problem in trial.wrong:
        print(problem, file=sys.stderr)
    sys.exit(bool(trial.wrong))
