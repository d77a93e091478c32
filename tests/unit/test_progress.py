"""How a run is stopped: a signal is heard between batches, and in time where there is no between."""

import signal
import subprocess
import sys
import time

import pytest

HELD = """
import hashlib, signal, sys
from stress.terminal import progress

progress.PATIENCE = 0.2
with progress.stop_on_signals(lambda: print("late")) as stop:
    print("ready", flush=True)
    {work}
    print("stopped" if stop() else "not stopped")
"""

IN_C = "hashlib.pbkdf2_hmac('sha256', b'', b'', 2_000_000_000)  # lets no handler in Python run"
HEARD = "import time\n    while not stop(): time.sleep(0.01)"
TWICE = "import time\n    while not stop(): time.sleep(0.01)\n    signal.raise_signal(signal.SIGTERM)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("work", "code", "last"), [(IN_C, 75, "late"), (HEARD, 0, "stopped"), (TWICE, 0, "stopped")]
)
def test_a_signal_ends_the_work_in_time(work, code, last, number):
    command = [sys.executable, "-c", HELD.format(work=work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout.readline() == "ready\n"
        time.sleep(0.05)
        begun = time.monotonic()
        held.send_signal(number)
        said = held.stdout.read()
        assert held.wait() == code
    assert said == f"{last}\n"
    assert time.monotonic() - begun < 15


def test_handlers_are_given_back():
    from stress.terminal.progress import stop_on_signals

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals() as stop:
        assert not stop()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
