"""The files of deploy/ are what they say: they parse, their fields are in place, their options exist."""

import configparser
import json
import os
import re
import shutil
import subprocess

import pytest
import typer.main
import yaml

from stress.cli import app
from stress.config import load
from stress.errors import Interrupted

GRACE = 20


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


def options(verb):
    """Every option of a verb of `stress`."""
    return {
        name for parameter in typer.main.get_command(app).commands[verb].params for name in parameter.opts
    }


def check_command(words, root):
    """A command line of `stress` has a verb, options and a config that are there."""
    verb, rest = words[0], words[1:]
    assert {word for word in rest if word.startswith("--")} <= options(verb)
    for config in (word for word in rest if word.endswith(".yaml")):
        load(root / "configs" / os.path.basename(config))


def test_the_indexed_job(root):
    claim, job = documents(root / "deploy/kubernetes/run.yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["backoffLimitPerIndex"] > 0
    assert spec["parallelism"] <= spec["completions"]
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] > GRACE
    (container,) = pod["containers"]
    assert container["args"][container["args"].index("--shard") + 1] == f"/{spec['completions']}"
    check_command(container["args"], root)
    rules = spec["podFailurePolicy"]["rules"]
    codes = {code: rule["action"] for rule in rules for code in rule.get("onExitCodes", {}).get("values", ())}
    assert codes == {Interrupted.exit_code: "Ignore", 2: "FailJob"}
    assert {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule} == {
        container["name"]
    }
    assert rules[0]["onPodConditions"][0]["type"] == "DisruptionTarget"
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert [mount["name"] for mount in container["volumeMounts"]] == [volume["name"]]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert (
        container["args"][container["args"].index("--out") + 1] == container["volumeMounts"][0]["mountPath"]
    )


def test_the_merge_after_it(root):
    _, run = documents(root / "deploy/kubernetes/run.yaml")
    (merge,) = documents(root / "deploy/kubernetes/merge.yaml")
    pods = [job["spec"]["template"]["spec"] for job in (run, merge)]
    (container,) = pods[1]["containers"]
    assert container["image"] == pods[0]["containers"][0]["image"]
    assert pods[0]["volumes"] == pods[1]["volumes"]
    config = next(word for word in pods[0]["containers"][0]["args"] if word.endswith(".yaml"))
    name = os.path.basename(config).removesuffix(".yaml")
    assert container["command"] == ["sh", "-c", f"exec stress merge /results/{name}-*"]


def test_the_image(root):
    text = (root / "deploy/Dockerfile").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM python:${PYTHON}-slim AS build",
        "FROM python:${PYTHON}-slim",
    ]
    assert json.loads(next(line for line in lines if line.startswith("ENTRYPOINT"))[10:]) == ["stress"]
    assert any(line.startswith("USER ") for line in lines)
    copied = [line.split()[-2] for line in lines if line.startswith("COPY")]
    assert all((root / name).exists() for name in copied)
    ignored = (root / "deploy/Dockerfile.dockerignore").read_text().split()
    assert not {"stress", "kernels", "configs", "README.md", "LICENSE", "constraints.txt"} & set(ignored)


def scripts(root):
    return sorted((root / "deploy").rglob("*.sh"))


def test_shell_scripts(root):
    assert scripts(root)
    for script in scripts(root):
        subprocess.run(["bash", "-n", script], check=True)
        if shutil.which("shellcheck"):
            done = subprocess.run(["shellcheck", script], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("code", "requeued"), [(0, ""), (75, "requeue 99_3\n"), (4, "")])
def test_a_task_of_slurm(root, tmp_path, code, requeued):
    """The script with a Slurm of our own: what `stress` is called with, and who gets another turn."""
    (tmp_path / "srun").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\nexit {code}\n')
    (tmp_path / "scontrol").write_text('#!/bin/sh\necho "$@"\n')
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    numbers = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "20", "SLURM_ARRAY_JOB_ID": "99"}
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "16"} | numbers
    command = ["bash", root / "deploy/slurm.sh", "configs/oct-2025.yaml"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, requeued), done.stderr
    words = (tmp_path / "called").read_text().split()
    assert words[0] == "stress"
    assert words[words.index("--shard") + 1] == "3/20"
    check_command(words[1:], root)


def test_the_service(root):
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read_string((root / "deploy/stress.service").read_text())
    service = unit["Service"]
    assert GRACE < int(service["TimeoutStopSec"]) < 30
    program, *words = service["ExecStart"].split()
    assert os.path.basename(program) == "stress"
    check_command(words, root)
    assert unit["Unit"]["RequiresMountsFor"] == words[words.index("--out") + 1]


def test_the_page_lists_every_file(root):
    page = (root / "deploy/README.md").read_text()
    linked = {os.path.basename(link) for link in re.findall(r"\]\(([^)]+)\)", page)}
    files = {path.name for path in (root / "deploy").rglob("*") if path.is_file()}
    assert files - linked == {"README.md", "Dockerfile.dockerignore"}
