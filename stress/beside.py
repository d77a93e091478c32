"""What is made of a finished run and goes beside it, or wherever somebody says: pages, replays."""

from __future__ import annotations

from pathlib import Path

from stress.errors import ConfigError, StoreError
from stress.store import RunFolder, publish, why


def check_place(target: Path, prefix: str) -> None:
    """`ConfigError` where a file would replace one of a run's own, or where no file can be.

    prefix: what names of such files in the folder of a run begin with
    """
    if not target.parent.is_dir():
        raise ConfigError(f"{target}: there is no folder {target.parent}. Make it first.")
    if target.exists() and not target.is_file():
        raise ConfigError(f"{target} is no file that could be replaced. Give another one.")
    of_run = any(RunFolder(folder).exists for folder in (target.parent, target.parent.parent))
    if of_run and not target.name.startswith(prefix):
        raise ConfigError(
            f"{target} is in the folder of a run (it could replace the run's own files). "
            f"Give a name that begins with {prefix}, or another folder."
        )


def publish_beside(target: Path, data: bytes, prefix: str) -> None:
    """Write such a file so that it is there whole, or not at all.

    raises: `ConfigError` as `check_place`; `StoreError` where the disk refuses
    """
    check_place(target, prefix)
    try:
        publish(target, data)
    except StoreError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        reason = why(error.__cause__)
        raise StoreError(
            f"{target} cannot be written ({reason}). Give another place with --out; the run is as it was."
        ) from error.__cause__
