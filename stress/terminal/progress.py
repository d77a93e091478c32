"""How a run shows that it is alive, and how it is stopped."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator

MINUTE = 60.0


class Bar:
    """A bar with rate and time left on a terminal; elsewhere one line a minute. On standard error."""

    def __init__(self, n_step: int):
        self.n_step, self.started, self.seconds = n_step, time.perf_counter(), 0.0
        self.first: int | None = None
        self.said = self.started
        self.bar = None

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self.bar = terminal_bar()
            self.bar.start()
            self.task = self.bar.add_task("paths", total=None, rate="")
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self.started
        if self.bar:
            self.bar.stop()

    def update(self, done: int, total: int) -> None:
        """Called by the run after every batch."""
        now = time.perf_counter()
        if self.first is None:
            self.first = done
        rate = max(done - self.first, 0) / max(now - self.started, 1e-9)
        if self.bar:
            shown = f"{rate * self.n_step / 1e6:,.1f}M path-steps/s" if rate else ""
            self.bar.update(self.task, completed=done, total=total, rate=shown)
        elif now - self.said >= MINUTE:
            self.said = now
            left = f", {(total - done) / rate:,.0f} s left" if rate else ""
            print(f"{done:,} of {total:,} paths, {rate:,.0f} paths/s{left}", file=sys.stderr, flush=True)


class Stages:
    """What is being done, and for how long: one line that changes on a terminal, elsewhere a line each."""

    def __init__(self) -> None:
        self.started, self.status = time.perf_counter(), None

    def __enter__(self) -> Stages:
        if sys.stderr.isatty():
            from rich.console import Console

            self.status = Console(stderr=True).status("")
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def say(self, text: str) -> None:
        """Called whenever something else begins."""
        if self.status:
            self.status.update(f"{text} ({time.perf_counter() - self.started:.0f} s)")
        else:
            print(text, file=sys.stderr, flush=True)


def terminal_bar():
    """rich's, with our columns."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("paths"), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    )  # fmt: skip


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Whether a signal to stop has come: the first one is remembered, a second one acts at once."""
    seen: list[int] = []

    def remember(number: int, _frame: object) -> None:
        seen.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
