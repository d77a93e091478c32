"""A `RunConfig` to canonical YAML, with every default and part in place, and to digests.

`load` reads the text back as an equal config. Equal configs have equal texts, so a digest of the
text identifies what was run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import yaml

from stress.config.run import RunConfig
from stress.config.tree import NULLS

PRESENTATION = {"about", "measures"}
PRESENTATION_OF_RUN = {"paths", "shard_paths", "backend"}
"""What does not change the outcome of a single path; names for people do not either."""

WIDEST_FLOW = 100


def dump(config: RunConfig) -> str:
    """The config as YAML: canonical units, defaults written out, needing only files of rows."""
    return _yaml(config.model_dump(mode="json", by_alias=True))


def identity(config: RunConfig) -> str:
    """The same, less the paths of files of rows: these are what they hold, wherever they lie."""
    return _yaml(_without_paths(config.model_dump(mode="json", by_alias=True)))


def config_sha256(config: RunConfig) -> str:
    """Digest of everything in the config, as hexadecimal text."""
    return hashlib.sha256(identity(config).encode()).hexdigest()


def physics_sha256(config: RunConfig) -> str:
    """Digest of everything that decides the outcome of path i.

    Two configs with the same one have the same paths, as far as each of them goes.
    """
    data = _without_paths(config.model_dump(mode="json", by_alias=True, exclude=PRESENTATION))
    data["run"] = {key: value for key, value in data["run"].items() if key not in PRESENTATION_OF_RUN}
    for named in (
        *data["assets"].values(),
        *data["venues"].values(),
        *data["overlays"],
        *data["factors"].values(),
    ):
        del named["name"]
    return hashlib.sha256(_yaml(data).encode()).hexdigest()


def _without_paths(data: Any) -> Any:
    """`data` less the paths that stand beside a digest."""
    if isinstance(data, list):
        return [_without_paths(item) for item in data]
    if not isinstance(data, dict):
        return data
    return {key: _without_paths(v) for key, v in data.items() if not (key == "path" and data.get("sha256"))}


def _yaml(data: dict[str, Any]) -> str:
    """`data` as YAML: short leaves in one line each, the order kept."""
    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *_events(data),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    return yaml.emit(events, Dumper=yaml.SafeDumper, width=10 * WIDEST_FLOW, allow_unicode=True)


def _events(data: Any) -> Iterator[yaml.Event]:
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if value is not None}
        yield yaml.MappingStartEvent(None, None, True, flow_style=_is_leaf(data))
        for key, value in data.items():
            yield from _events(key)
            yield from _events(value)
        yield yaml.MappingEndEvent()
    elif isinstance(data, list):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=_is_leaf(data))
        for item in data:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    else:
        style = "'" if data in NULLS else None
        yield yaml.ScalarEvent(None, None, (True, True), data, style=style)


def _is_leaf(data: dict[str, Any] | list[Any]) -> bool:
    """Whether a collection fits on one line: short texts only."""
    values = list(data.items()) if isinstance(data, dict) else [("", item) for item in data]
    length = sum(len(key) + len(value) + 4 for key, value in values if isinstance(value, str))
    return all(isinstance(value, str) for _, value in values) and length <= WIDEST_FLOW
