"""R1 and R5: a process that dies or a disk that is full leaves a whole version or none."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.proxy import Fault, Proxy
from faults.store import servers
from faults.store.servers import BUCKET, FILES, publish, tree
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.download import staging
from modelserve.store.download.fetch import fetch
from modelserve.store.names.locations import MANIFEST, parse
from modelserve.store.versions.resolve import resolve

URI = f"gs://{BUCKET}/models/churn/versions/1"
ROUNDS = 20
PRCTL = ctypes.CDLL(None).prctl
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


@contextmanager
def started(proxy: Proxy, cache: Path, limit: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Killed at the end, however it comes. Permissions bind it even where root runs the tests."""
    environ = os.environ | {
        "STORAGE_EMULATOR_HOST": proxy.url,
        "PYTHONPATH": os.pathsep.join(str(path) for path in sys.path if path),
    }
    script = Path(servers.__file__).with_name("fetcher.py")
    command = [sys.executable, str(script), URI, str(cache), str(limit)]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, text=True, preexec_fn=without_override
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def without_override() -> None:
    """What is executed next has no right to pass over the permissions of files (capabilities(7))."""
    PRCTL(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_a_kill_at_any_byte_leaves_no_half_version(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    offsets = random.Random(7)
    for _ in range(ROUNDS):
        proxy.stalled.clear()
        proxy.script([Fault(f"stall-after-{offsets.randrange(len(FILES['model.skops']))}", r"model\.skops.*alt=media")])
        with started(proxy, cache):
            assert proxy.stalled.wait(30)
        assert [path for path in cache.iterdir() if not path.name.startswith(".incoming-")] == []
    assert list(cache.glob(".incoming-*"))
    directory = fetch(resolve(parse(URI), objects), objects, cache)
    assert {name: data for name, data in tree(directory).items() if name != MANIFEST} == FILES
    assert list(cache.iterdir()) == [directory]


def test_the_directory_of_a_living_process_is_left_alone_and_not_waited_for_too_long(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MAX_WAIT_SECONDS", 0.2)
    publish(direct, "churn", "1")
    proxy.script([Fault("stall-after-5000", r"model\.skops.*alt=media")])
    with started(proxy, cache) as child:
        assert proxy.stalled.wait(30)
        child.send_signal(signal.SIGSTOP)  # or it would try again what stalls, and end
        fetch(resolve(parse(URI), objects), objects, cache)
        left = [path.is_dir() for path in cache.glob(".incoming-*")]
        assert sorted(left) == [False, True]  # its lock and its directory


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(proxy: Proxy, direct: GcsObjects, cache: Path) -> None:
    publish(direct, "churn", "1")
    with started(proxy, cache, limit=200_000) as child:
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.split(":")[0]) == (1, "STORE_UNAVAILABLE")
    assert "File too large" in out
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_clear_error(proxy: Proxy, direct: GcsObjects, tmp_path: Path) -> None:
    publish(direct, "churn", "1")
    (tmp_path / "file").touch()
    with started(proxy, tmp_path / "file" / "cache") as child:
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.split(":")[0]) == (1, "STORE_UNAVAILABLE")


def test_a_read_only_cache_is_one_clear_error(proxy: Proxy, direct: GcsObjects, cache: Path) -> None:
    publish(direct, "churn", "1")
    cache.mkdir(mode=0o500)
    with started(proxy, cache) as child:
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (
        1,
        "STORE_UNAVAILABLE: The cache directory cannot take the version: Permission denied.\n",
    )
    assert list(cache.iterdir()) == []
