"""What is in the files of a run: a shard is a tally, the cube what all tallies together say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress.config import config_sha256, dump
from stress.provenance import kernels_sha256, package_version, scenario_sha256
from stress.store import Range, sealed

if TYPE_CHECKING:
    from stress.jobs import Job
    from stress.tally import Tally


def shard_bytes(tally: Tally, job: Job, paths: Range) -> bytes:
    """The file of a shard."""
    from stress.cube import coordinates
    from stress.io import SHARD_LEVEL, encode, tally_groups

    groups = tally_groups(tally, coordinates(job.scenario.shape, job.config.measures.levels))
    attributes = root_attributes(job) | {"first_path": str(paths[0]), "last_path": str(paths[1])}
    return sealed(encode(groups, attributes, SHARD_LEVEL))


def cube_bytes(job: Job, tally: Tally) -> bytes:
    """The file of the cube."""
    import xarray as xr

    from stress.compile.books import open_interest
    from stress.conditions import conditional_on
    from stress.cube import coordinates, cube, describe_group
    from stress.io import encode, tally_groups
    from stress.static_response import static_response

    measures = job.config.measures
    static = static_response(job.scenario)
    held = open_interest(job.config, job.scenario.shape)
    dataset = cube(tally, job.scenario, job.name, measures.levels, measures.confidence, static, held)
    about = job.config.about
    attributes = {"title": about.title, "question": about.question, "confidence": measures.confidence}
    attributes["conditional_on"] = conditional_on(job.config)
    groups = {
        "/": dataset,
        **tally_groups(tally, coordinates(job.scenario.shape, measures.levels)),
        "config": describe_group("config", xr.Dataset({"resolved": ((), dump(job.config))})),
    }
    return sealed(encode(groups, attributes | root_attributes(job) | {"n_paths": str(tally.n_path)}))


def root_attributes(job: Job) -> dict[str, str]:
    """What every HDF5 file of a run says of where it comes from."""
    return {
        "version": package_version(),
        "config_sha256": config_sha256(job.config),
        "kernels_sha256": kernels_sha256(),
        "scenario_sha256": scenario_sha256(job.scenario),
        "seed": str(job.config.run.seed),
        "backend": job.backend,
        "dtype": "float64" if job.backend in ("numpy", "jax") else "float32",
    }
