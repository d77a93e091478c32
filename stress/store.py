"""The folder of a run: files that appear whole or not at all, and tell when they are damaged.

    run.json       manifest: what is run, on what; written once, last of the first three
    config.yaml    the config as given
    resolved.yaml  the config with every part and default filled in
    inputs/        files of rows that the config names, each called by its SHA-256; absent if there are none
    shards/        shard-<first>-<last>.h5, the tally of a range of paths
    cube.h5        the cube
    log.jsonl      what happened when; the one file that grows

A finished file is never written again. HDF5 files end with a line that holds the checksum of all before
it, which HDF5 readers do not see.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from stress.errors import ResultError, StoreError

if TYPE_CHECKING:
    from stress.config.table import Input

SEAL = b"\nsha256 "
SEAL_BYTES = len(SEAL) + 64 + 1
SHARD_NAME = re.compile(r"shard-(\d{12})-(\d{12})\.h5")
TEMPORARY = ".part"
WRITER = re.compile(r"\.(\d+)@(.+)\.part$")
OLD_SECONDS = 3600
MANIFEST, MANIFEST_VERSION = "liquidation-stress run", 1
INPUTS = "inputs"
RUNS_SHOWN = 3
RUN_ANEW = "Copy the folder again from where it was made, or run its config anew."

Range = tuple[int, int]
"""First and last path."""


def sealed(data: bytes) -> bytes:
    """`data` and the line with its checksum."""
    return data + SEAL + hashlib.sha256(data).hexdigest().encode() + b"\n"


def unsealed(data: bytes) -> bytes:
    """What was sealed; `ValueError` if it is not what it was."""
    body, line = data[:-SEAL_BYTES], data[-SEAL_BYTES:]
    if not line.startswith(SEAL):
        raise ValueError("it was cut short, or its last line was changed")
    if line != sealed(body)[-SEAL_BYTES:]:
        raise ValueError("its checksum is wrong: a bit was flipped, or the file was edited")
    return body


def publish(path: Path, data: bytes, once: bool = False) -> None:
    """Write a file so that it is there whole, on disk, or not at all.

    once  : a file that is there already stays
    raises: `StoreError`, with nothing left behind
    """
    temporary = temporary_name(path)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if once:
            put_once(temporary, path)
        else:
            os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_once(temporary: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name: of several processes the first one does it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(temporary, path)


def temporary_name(path: Path) -> Path:
    """A name that no other process has, on whatever machine: in containers, all may have the same number."""
    mark = f"{secrets.token_hex(4)}.{os.getpid()}@{os.uname().nodename}"
    return path.with_name(f".{path.name}.{mark}{TEMPORARY}")


def is_left_over(temporary: Path) -> bool:
    """Whether a half-written file is nobody's any more: of a process of this machine that is gone, or old."""
    try:
        if time.time() - temporary.stat().st_mtime > OLD_SECONDS:
            return True
    except OSError:
        return False  # it has just been given its name
    writer = WRITER.search(temporary.name)
    if not writer or writer[2] != os.uname().nodename:
        return False
    try:
        os.kill(int(writer[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


ELSEWHERE = "begin a run in another folder (`stress run --out`)"
WRITABLE = "Give a folder that you may write to (`stress run --out`)"
NOT_A_FILE = "Give a folder, not a file (`stress run --out`)"

ADVICE = {
    errno.ENOSPC: f"Free some space, or {ELSEWHERE}",
    errno.EDQUOT: f"Free some of your quota, or {ELSEWHERE}",
    errno.EFBIG: "Raise the limit on file sizes (ulimit -f), or make shards smaller (run.shard_paths)",
    errno.EACCES: WRITABLE,
    errno.EPERM: WRITABLE,
    errno.EROFS: WRITABLE,
    errno.ENOTDIR: NOT_A_FILE,
    errno.EEXIST: NOT_A_FILE,
}


def refused(path: Path, error: OSError) -> StoreError:
    """The error for a file or folder that could not be written."""
    advice = ADVICE.get(error.errno or 0, f"Try again, or {ELSEWHERE}")
    return StoreError(f"{path} cannot be written ({why(error)}). {advice}; finished shards are kept.")


def why(error: OSError) -> str:
    """The reason of an error of the system, as it stands in the middle of a sentence."""
    return (error.strerror or str(error)).lower()


def encoded(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as text, with its own checksum as the last entry."""
    body = json.dumps(manifest, indent=2, ensure_ascii=False)
    checksum = hashlib.sha256(body.encode()).hexdigest()
    return (json.dumps({**manifest, "sha256": checksum}, indent=2, ensure_ascii=False) + "\n").encode()


class RunFolder:
    """A run on disk."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)

    @property
    def cube(self) -> Path:
        return self.path / "cube.h5"

    @property
    def exists(self) -> bool:
        """Whether there is a run: its manifest is the last thing that makes one."""
        return (self.path / "run.json").is_file()

    def create(
        self,
        manifest: Mapping[str, Any],
        config: str,
        resolved: str,
        inputs: Mapping[str, bytes] | None = None,
        shared: bool = False,
    ) -> None:
        """Make the folder with its manifest and configs; on failure all that was made is taken away.

        inputs: contents of files of rows by SHA-256
        shared: other processes may make the same folder now; of each file the first one stays
        The caller holds the lock, unless nobody else can know of the folder, or it is shared.
        """
        made = missing_folders(self.path / "shards")
        texts = {f"{INPUTS}/{name}": content for name, content in (inputs or {}).items()}
        if texts:
            made = [*missing_folders(self.path / INPUTS)[:1], *made]
        texts |= {"config.yaml": config.encode(), "resolved.yaml": resolved.encode()}
        published: list[Path] = []
        try:
            (self.path / "shards").mkdir(parents=True, exist_ok=True)
            if inputs:
                (self.path / INPUTS).mkdir(exist_ok=True)
            for name, text in texts.items():
                publish(self.path / name, text, once=shared)
                published.append(self.path / name)
            checksums = {name: hashlib.sha256((self.path / name).read_bytes()).hexdigest() for name in texts}
            publish(self.path / "run.json", encoded({**manifest, "files": checksums}), once=shared)
        except (OSError, StoreError) as error:
            for file in [] if shared else published:
                with contextlib.suppress(OSError):
                    file.unlink()
            remove_empty(made)
            raise error if isinstance(error, StoreError) else refused(self.path, error) from error

    def manifest(self) -> dict[str, Any]:
        """What run.json says; `StoreError` if it was changed, `ResultError` if it is newer or not there."""
        file = self.path / "run.json"
        try:
            manifest = json.loads(file.read_text("utf-8"))
            checksum = manifest.pop("sha256")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise self.absent() from None
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({why(error)})") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise StoreError(
                f"{file} is damaged, or of another program (it does not read as what a run begins with). "
                f"{RUN_ANEW}"
            ) from None
        body = json.dumps(manifest, indent=2, ensure_ascii=False)
        if hashlib.sha256(body.encode()).hexdigest() != checksum:
            raise StoreError(
                f"{file} is damaged (its checksum is wrong: it was changed after the run began). {RUN_ANEW}"
            )
        if (version := manifest.get("format_version", MANIFEST_VERSION)) != MANIFEST_VERSION:
            raise ResultError(
                f"{file} has format version {version} (this program reads {MANIFEST_VERSION}). "
                f"Take version {manifest.get('version')} of the program, or a newer one."
            )
        return manifest

    def absent(self) -> ResultError:
        """The error where there is no run."""
        advice = "Give the folder of a run, as `stress run` prints it"
        if self.path.is_dir():
            what = "is not the folder of a run (there is no run.json in it)"
            if inside := sorted(str(found.parent) for found in self.path.glob("*/run.json")):
                advice = (
                    f"Runs are in it: {', '.join(inside[:RUNS_SHOWN])}{', ...' * (len(inside) > RUNS_SHOWN)}"
                )
        elif self.path.exists():
            what = "is a file, not the folder of a run"
            if RunFolder(self.path.parent).exists:
                advice = f"Give {self.path.parent}"
        else:
            what = "does not exist"
        return ResultError(f"there is no run here: {self.path} {what}. {advice}.")

    def text(self, name: str) -> str:
        """One of the two configs; `StoreError` if it is not what it was."""
        return self.content(name).decode()

    def inputs(self) -> dict[str, Input]:
        """The files of rows that the run was begun with, by SHA-256."""
        from stress.config.table import Input

        names = [name for name in self.manifest()["files"] if name.startswith(f"{INPUTS}/")]
        found = {name.removeprefix(f"{INPUTS}/"): name for name in names}
        return {key: Input(str(self.path / name), key, self.content(name)) for key, name in found.items()}

    def content(self, name: str) -> bytes:
        """A file that the run began with; `StoreError` if it is not what it was."""
        file = self.path / name
        try:
            content = file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({why(error)})") from error
        if hashlib.sha256(content).hexdigest() != self.manifest()["files"][name]:
            raise StoreError(f"{file} is damaged (its checksum is wrong: it was changed after the run began)")
        return content

    def shard(self, paths: Range) -> Path:
        """Where the shard of a range of paths is, or will be."""
        return self.path / "shards" / f"shard-{paths[0]:012d}-{paths[1]:012d}.h5"

    def shards(self) -> list[Range]:
        """Ranges of the finished shards, in order."""
        folder = self.path / "shards"
        names = [SHARD_NAME.fullmatch(path.name) for path in folder.iterdir()] if folder.is_dir() else []
        return sorted((int(name[1]), int(name[2])) for name in names if name)

    def read(self, path: Path) -> bytes:
        """The contents of a sealed file; `StoreError` if it is damaged."""
        try:
            return unsealed(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = why(error) if isinstance(error, OSError) else str(error)
            if not self.exists:
                raise StoreError(f"{path} is no file of a run, or it is damaged ({reason})") from error
            raise StoreError(
                f"{path} is damaged ({reason}). Delete it and `stress resume {self.path}` makes it again."
            ) from error

    def log(self, event: str, **details: Any) -> None:
        """Add a line to log.jsonl."""
        line = json.dumps({"time": timestamp(), "event": event, **details}) + "\n"
        try:
            with open(self.path / "log.jsonl", "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise refused(self.path / "log.jsonl", error) from error

    def clear(self) -> None:
        """Take away what killed processes left half written."""
        for temporary in [*self.path.glob(f".*{TEMPORARY}"), *self.path.glob(f"shards/.*{TEMPORARY}")]:
            if is_left_over(temporary):
                temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process, its folder made if need be; `StoreError` if another one has it.

        The lock is the kernel's and goes with the process, however that ends. Folders that were made
        for it go again if they stay empty.
        """
        lock = self.path / ".lock"
        made = missing_folders(self.path)
        try:
            file = self._acquire(lock)
        except OSError as error:
            remove_empty(made)
            raise refused(lock, error) from error
        with file:
            try:
                self.clear()
                yield
            finally:
                with contextlib.suppress(OSError):
                    lock.unlink()
                remove_empty(made)

    def _acquire(self, lock: Path):
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                file = open(lock, "a+", encoding="utf-8")  # noqa: SIM115 (closed by the caller)
            except FileNotFoundError:
                continue  # another process has just taken the empty folder away
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                file.close()
                raise StoreError(
                    f"{self.path} is in use by {holder} (two processes must not write one run). "
                    "Wait for it, or stop it."
                ) from None
            if same_file(file, lock):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {os.uname().nodename}, since {timestamp()}")
                file.flush()
                return file
            file.close()  # its holder has just finished and taken the file away


def same_file(file: IO[str], path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def missing_folders(path: Path) -> list[Path]:
    """`path` and those above it that are not there, the deepest first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Take away those of the folders that hold nothing, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def timestamp() -> str:
    """Now, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
