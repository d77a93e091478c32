"""Tasks of an array and `stress merge`: the bits of a single run, whoever computed what, and where."""

import json
import shutil
import subprocess
import sys

import pytest

import stress
from stress import array
from stress.array import Share, run_share, share
from stress.errors import ConfigError, Interrupted, ResultError, StoreError
from stress.jobs import prepare
from stress.merge import listed, merge
from stress.store import RunFolder, publish
from stress.verify import verify

KUBERNETES = {"JOB_COMPLETION_INDEX": "2"}
AWS = {"AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ARRAY_SIZE": "8"}
SLURM = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"}
FROM_ZERO = SLURM | {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_MIN": "0"}


@pytest.fixture(scope="module")
def config(root):
    return root / "tests" / "configs" / "small.yaml"


def job_of(config, paths, size):
    return prepare(config, [f"run.paths={paths}", f"run.shard_paths={size}"])


@pytest.fixture(scope="module")
def job(config):
    """Nine paths in five shards."""
    return job_of(config, 9, 2)


@pytest.fixture(scope="module")
def halves(job, tmp_path_factory):
    """The folders of two tasks, each in a place of its own."""
    places = [tmp_path_factory.mktemp(name) for name in "ab"]
    for task, place in enumerate(places, 1):
        run_share(job, Share(task, 2), place)
    return [place / job.folder for place in places]


@pytest.fixture
def copies(halves, tmp_path):
    found = [tmp_path / name / halves[0].name for name in "ab"]
    for half, copy in zip(halves, found, strict=True):
        shutil.copytree(half, copy)
    return found


def results(folder):
    """Contents of everything but what tells the time."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder): path.read_bytes()
        for path in files
        if path.name not in ("run.json", "log.jsonl")
    }


@pytest.mark.parametrize(
    ("text", "environment"),
    [("3/8", {}), ("3/8", AWS | {"AWS_BATCH_JOB_ARRAY_INDEX": "7"}), ("/8", KUBERNETES), ("/8", AWS),
     ("auto", AWS), ("/8", SLURM), ("auto", SLURM), ("auto", FROM_ZERO)],
)  # fmt: skip
def test_the_third_task_of_eight(text, environment):
    """Tasks count from 1 in --shard; Kubernetes and AWS Batch count from 0, Slurm as the array says."""
    assert share(text, environment) == Share(3, 8)


WRONG = [
    ("0/8", {}, r"no such task \(they are counted from 1\)\. Take 1/8 to 8/8"),
    ("9/8", {}, "no such task"),
    ("1/0", {}, "one task at least"),
    ("third", {}, "is no share of a run: --shard 3/8 is the third of eight"),
    ("/8", {}, r"none of JOB_COMPLETION_INDEX, .*SLURM_ARRAY_TASK_ID is set"),
    ("/8", KUBERNETES | SLURM, "contradict each other"),
    ("auto", KUBERNETES, "Kubernetes does not say how many tasks there are. Say it: --shard /8"),
    ("/2", KUBERNETES, "JOB_COMPLETION_INDEX is 2, which is no task of 2"),
    ("/8", {"JOB_COMPLETION_INDEX": "two"}, r'JOB_COMPLETION_INDEX is "two"'),
    ("/9", SLURM, "SLURM_ARRAY_TASK_COUNT says 8"),
    ("auto", SLURM | {"SLURM_ARRAY_TASK_ID": "17"}, "numbers must follow one another, from 1 on"),
    ("auto", {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "1"},
     "SLURM_ARRAY_TASK_MIN is 5"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "environment", "message"), WRONG)
def test_what_is_no_share(text, environment, message):
    with pytest.raises(ConfigError, match=message):
        share(text, environment)


@pytest.mark.parametrize("n_shard", [1, 5, 20])
@pytest.mark.parametrize("tasks", [1, 2, 3, 7, 30])
def test_shares_are_all_shards_once_and_nearly_equal(n_shard, tasks):
    shards = [(10 * i, 10 * i + 9) for i in range(n_shard)]
    shares = [Share(task, tasks).of(shards) for task in range(1, tasks + 1)]
    assert [shard for part in shares for shard in part] == shards
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def same_as_one_run(config, tmp_path, paths, size, tasks, shared):
    alone = stress.run(config, paths=paths, out=tmp_path, overrides=[f"run.shard_paths={size}"])
    job = job_of(config, paths, size)
    places = [tmp_path / ("all" if shared else str(task)) for task in range(1, tasks + 1)]
    for task, place in reversed([*enumerate(places, 1)]):
        run_share(job, Share(task, tasks), place, threads=task)
    merged = merge([place / job.folder for place in places])
    assert results(merged.path) == results(alone.path)
    assert verify(RunFolder(merged.path)).problems == []


@pytest.mark.parametrize(
    ("paths", "size", "tasks", "shared"), [(4, 1, 3, True), (9, 7, 2, False), (9, 64, 1, True)]
)
def test_merged_shares_are_the_run(config, tmp_path, paths, size, tasks, shared):
    same_as_one_run(config, tmp_path, paths, size, tasks, shared)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("tasks", [1, 2, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_every_cut_of_a_run_is_the_run(config, tmp_path, size, tasks, shared):
    same_as_one_run(config, tmp_path, 130, size, tasks, shared)


def test_a_share_twice_changes_nothing(job, copies, monkeypatch):
    before = results(copies[0])
    monkeypatch.setattr(array, "begin", None)
    assert run_share(job, Share(1, 2), copies[0].parent) == [(0, 1), (2, 3)]
    assert results(copies[0]) == before


def test_a_folder_that_is_in_use_takes_tasks(job, copies):
    """The lock is for those who make the cube of a folder; a task has nothing that another could harm."""
    with RunFolder(copies[0]).locked():
        run_share(job, Share(5, 5), copies[0].parent)
    assert RunFolder(copies[0]).shards() == [(0, 1), (2, 3), (8, 8)]


def test_a_stopped_task_keeps_its_shards(job, tmp_path):
    seen = []
    with pytest.raises(Interrupted, match=r"4 of 5 paths are kept\. The same command goes on"):
        run_share(
            job, Share(2, 2), tmp_path, progress=lambda *at: seen.append(at), stop=lambda: len(seen) == 2
        )
    assert RunFolder(tmp_path / job.folder).shards() == [(4, 5), (6, 7)]
    assert seen == [(2, 5), (4, 5)]


def test_missing_paths_are_named_and_computed_later(job, copies):
    RunFolder(copies[1]).shard((6, 7)).unlink()
    with pytest.raises(
        ResultError, match=r"1 of 5 shards are missing: paths 6 to 7\. .*`stress resume"
    ) as error:
        merge(copies)
    assert error.value.exit_code == 2
    assert RunFolder(copies[0]).shards() == [(0, 1), (2, 3), (4, 5), (8, 8)]
    run_share(job, Share(4, 5), copies[1].parent)
    assert merge([*copies, copies[0]]).cube.n_path.item() == 9


def test_overlapping_paths_are_named(copies):
    publish(RunFolder(copies[1]).shard((1, 4)), b"")
    with pytest.raises(ResultError, match=r"no shard of this run: it overlaps those of paths 0 to 5\. Take"):
        merge(copies)
    assert RunFolder(copies[0]).shards() == [(0, 1), (2, 3)]


def test_a_shard_under_another_name_is_found(copies):
    first, second = RunFolder(copies[0]), RunFolder(copies[1])
    publish(second.shard((6, 7)), first.shard((0, 1)).read_bytes())
    with pytest.raises(StoreError, match="not the shard that its name says: its first_path is 0 and not 6"):
        merge(copies)


def test_folders_that_disagree_are_named(config, job, copies, monkeypatch):
    from stress.contents import shard_bytes
    from stress.shards import compute

    wrong = shard_bytes(compute(job, (2, 3)), job, (0, 1))
    publish(RunFolder(copies[1]).shard((0, 1)), wrong)
    with pytest.raises(StoreError, match=r"paths 0 to 1 are in .*a/.* and in .*b/.*, and differ"):
        merge(copies)


def test_a_damaged_shard_stops_a_merge(copies):
    file = RunFolder(copies[1]).shard((6, 7))
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(StoreError, match="is damaged"):
        merge(copies)


def test_folders_of_another_run_say_what_differs(config, copies, tmp_path):
    other = prepare(config, ["run.paths=9", "run.shard_paths=2", "run.seed=7", "books.shape=0.5"])
    run_share(other, Share(9, 9), tmp_path)
    message = r"of another run than .*: its seed is 7 and not 20251010; its books\.shape is 0\.5 and not "
    with pytest.raises(ResultError, match=message):
        merge([copies[0], tmp_path / other.folder])
    with pytest.raises(ResultError, match="there is no run here"):
        merge([copies[0], tmp_path / "nowhere"])


def test_ranges_in_words():
    assert listed([(0, 9), (20, 29), (10, 19), (1000, 1000)]) == "0 to 29, 1,000"
    assert listed([(i, i) for i in range(0, 20, 2)]).endswith("8, and 5 ranges more")


def test_array_on_the_command_line(config, tmp_path):
    """Two tasks at once in one folder, as Kubernetes numbers them; then the merge."""
    settings = ["--paths", "6", "--set", "run.shard_paths=3", "--out", str(tmp_path)]
    options = [*settings, "--shard", "/2", "--json"]
    command = [sys.executable, "-m", "stress", "run", str(config), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    tasks = [
        subprocess.Popen(command, env={"JOB_COMPLETION_INDEX": str(index)}, **pipes) for index in range(2)
    ]
    said = [task.communicate() for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    assert [json.loads(out)["paths"] for out, _ in said] == [[[0, 2]], [[3, 5]]]
    (folder,) = tmp_path.iterdir()
    merged = subprocess.run([sys.executable, "-m", "stress", "merge", str(folder), "--json"], **pipes)
    assert merged.returncode == 0, merged.stderr
    assert json.loads(merged.stdout)["path"] == str(folder)
    assert verify(RunFolder(folder)).problems == []
