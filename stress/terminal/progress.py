"""How a run shows that it is alive, and how it is stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from stress.errors import Interrupted

MINUTE = 60.0

PATIENCE = 12.0
"""Seconds that the work in hand has to end by itself when a machine is taken away: the notice of a spot
instance may be thirty, and a scheduler has its own."""


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


def show_cursor() -> None:
    """What a bar hides and a process that is ended has to give back."""
    if sys.stderr.isatty():
        sys.stderr.write("\033[?25h\n")


def terminal_bar():
    """rich's, with our columns."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("paths"), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    )  # fmt: skip


@contextlib.contextmanager
def stop_on_signals(late: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come. A second SIGINT acts at once; a second SIGTERM says nothing new.

    late: called where the work does not end within `PATIENCE` seconds of the signal, before the process
          does, with the exit code of an interrupted run: what is published is whole at any moment
    """
    seen: list[int] = []
    ended = threading.Event()

    def remember(number: int, _frame: object) -> None:
        seen.append(number)
        if number == signal.SIGINT:
            signal.signal(number, before[signal.SIGINT])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A handler in Python waits until the engine returns; the byte that the system writes here does not.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=end_in_time, args=(reader, set(before), ended, late), daemon=True)
    watcher.start()
    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: bool(seen)
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(woken)
        os.close(writer)
        watcher.join()
        os.close(reader)


def end_in_time(reader: int, signals: set[int], ended: threading.Event, late: Callable[[], None]) -> None:
    """Wait for a signal, then for the end of the work; end the process if that takes too long."""
    while number := os.read(reader, 1):
        if number[0] in signals and not ended.wait(PATIENCE):
            try:
                late()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(Interrupted.exit_code)
