"""The folder of a run: whole files or none, and damage that does not go unseen."""

import errno
import json
import os
import resource
import subprocess
import sys

import pytest

from stress import store
from stress.errors import StoreError
from stress.store import RunFolder, publish, sealed, unsealed
from tests.disks import mounted

DATA = b"some bytes" * 1000


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_seal_finds_every_flipped_bit():
    whole = sealed(b"contents")
    assert unsealed(whole) == b"contents"
    for place in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            with pytest.raises(ValueError, match=r"changed|wrong"):
                unsealed(bytes(changed))
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"cut short|wrong"):
            unsealed(whole[:length])


def test_published_files_are_whole(tmp_path):
    publish(tmp_path / "a.h5", DATA)
    assert (tmp_path / "a.h5").read_bytes() == DATA
    assert names(tmp_path) == ["a.h5"]


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
def test_refused_writes_leave_nothing(tmp_path, monkeypatch, call, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    target = store if call == "open" else os
    monkeypatch.setattr(target, call, refuse, raising=False)
    with pytest.raises(StoreError, match=r"a\.h5 cannot be written \(.*\)\. .*finished shards are kept"):
        publish(tmp_path / "a.h5", DATA)
    monkeypatch.undo()
    assert names(tmp_path) == []


def test_full_disk_leaves_nothing_half_written(tmp_path):
    with mounted(tmp_path, "size=64k"):
        publish(tmp_path / "small", b"1" * 8192)
        with pytest.raises(StoreError, match="no space left"):
            publish(tmp_path / "large", b"1" * (100 << 10))
        assert names(tmp_path) == ["small"]
        assert (tmp_path / "small").read_bytes() == b"1" * 8192


def test_limit_on_file_sizes(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from stress.errors import StoreError\n"
        "from stress.store import publish\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    publish(Path(sys.argv[1]) / 'x', b'1' * 9000)\n"
        "except StoreError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "file too large" in done.stdout, done.stderr
    assert names(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def folder_in(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "down" / "run")
    folder.create({"format": "x", "n_paths": 10}, "config: é\n", "resolved: 1\n")
    return folder


def test_folder_holds_what_it_was_given(tmp_path):
    folder = folder_in(tmp_path)
    assert folder.exists
    assert folder.manifest()["n_paths"] == 10
    assert folder.text("config.yaml") == "config: é\n"
    assert names(folder.path) == ["config.yaml", "resolved.yaml", "run.json", "shards"]


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "resolved.yaml"])
def test_changed_files_are_found(tmp_path, name):
    folder = folder_in(tmp_path)
    content = bytearray((folder.path / name).read_bytes())
    for place in range(len(content)):
        content[place] ^= 1
        (folder.path / name).write_bytes(content)
        with pytest.raises(StoreError, match="damaged"):
            folder.text(name) if name.endswith("yaml") else folder.manifest()
        content[place] ^= 1


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    replace = os.replace

    def refuse(source, target):
        if str(target).endswith("run.json"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match="no space left"):
        folder_in(tmp_path)
    assert names(tmp_path) == []


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "deep").write_text("")
    with pytest.raises(StoreError, match=r"Give a folder, not a file \(`stress run --out`\)"):
        folder_in(tmp_path)


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(StoreError, match=r"not the folder of a run \(there is no run\.json in it\)"):
        RunFolder(tmp_path).manifest()


def test_shards_are_found_by_their_names(tmp_path):
    folder = folder_in(tmp_path)
    for paths in ((20, 29), (0, 19)):
        publish(folder.shard(paths), sealed(DATA))
    (folder.path / "shards" / "notes.txt").write_text("")
    assert folder.shards() == [(0, 19), (20, 29)]
    assert folder.read(folder.shard((0, 19))) == DATA
    folder.shard((0, 19)).write_bytes(b"")
    with pytest.raises(StoreError, match=r"is damaged .* Delete it and `stress resume"):
        folder.read(folder.shard((0, 19)))


def test_one_process_at_a_time(tmp_path):
    folder = folder_in(tmp_path)
    code = (
        "import sys\nfrom stress.store import RunFolder\n"
        "with RunFolder(sys.argv[1]).locked():\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreError, match=f"in use by process {other.pid} on .*Wait for it, or stop it"),
            folder.locked(),
        ):
            pass
        other.kill()
    with folder.locked():
        pass
    assert names(folder.path) == ["config.yaml", "resolved.yaml", "run.json", "shards"]


def test_a_folder_made_for_the_lock_goes_with_it(tmp_path):
    with RunFolder(tmp_path / "deep" / "run").locked():
        assert (tmp_path / "deep" / "run").is_dir()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_loses_nothing_of_another_run(tmp_path, monkeypatch):
    folder = folder_in(tmp_path)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(StoreError):
        folder.create({"format": "x"}, "other\n", "other\n")
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_leftovers_of_killed_processes_are_cleared_and_files_in_hand_are_not(tmp_path):
    folder, host = folder_in(tmp_path), os.uname().nodename
    (dead := subprocess.Popen(["true"])).wait()
    gone = [f".cube.h5.ab.{dead.pid}@{host}.part", ".cube.h5.77.part", f".cube.h5.cd.{dead.pid}@other.part"]
    in_hand = [f".run.json.ab.{os.getpid()}@{host}.part", ".run.json.ab.1@another.host.part"]
    for place in (folder.path, folder.path / "shards"):
        for name in (*gone, *in_hand):
            (place / name).write_bytes(b"half")
        for name in gone[1:]:
            os.utime(place / name, (0, 0))
    with folder.locked():
        pass
    assert names(folder.path / "shards") == sorted(in_hand)
    assert not set(gone) & set(names(folder.path))


def test_of_several_who_make_a_folder_the_first_one_stays(tmp_path):
    folder = folder_in(tmp_path)
    RunFolder(folder.path).create({"format": "y"}, "config: other\n", "resolved: 1\n", shared=True)
    assert folder.manifest()["format"] == "x"
    assert folder.text("config.yaml") == "config: é\n"
    (folder.path / "run.json").unlink()
    RunFolder(folder.path).create({"format": "y"}, "config: other\n", "resolved: 1\n", shared=True)
    assert folder.manifest()["format"] == "y"
    assert folder.text("config.yaml") == "config: é\n"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_is_there_stays(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    publish(tmp_path / "a", b"first", once=True)
    publish(tmp_path / "a", b"second", once=True)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


def test_log_grows_by_lines(tmp_path):
    folder = folder_in(tmp_path)
    folder.log("begun", cores=2)
    folder.log("finished")
    lines = [json.loads(line) for line in (folder.path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["begun", "finished"]
