"""R11: versions that hang, fail or come too late: the one that serves goes on, and an alias that moves on is followed."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from bucket_server import BucketServer
from faults.proxy import Fault, Proxy
from faults.test_flips import Answer, answered, ask, flip, reported, settings
from hosting import hosting
from modelserve.core.errors import VersionUnusable
from modelserve.core.settings import Settings
from modelserve.models.loader import load
from modelserve.store.buckets.open import open_objects
from modelserve.store.names import checksums
from modelserve.store.names.locations import manifest_name, parse, parse_store, version_prefix
from modelserve.store.versions.manifest import FileEntry, Manifest
from modelserve.store.versions.resolve import resolve
from modelserve_control.common.processes import GRACE
from modelserve_control.registry.promote import promote
from serving import Functions, Served, release, serving
from stores import put

SAMPLE = ({"x": 1.0},)


@pytest.fixture
def store(functions: Functions, tmp_path: Path) -> Path:
    """Versions 1 and 2, compiled, whose answers are 1 and 2; champion is 1."""
    for value in (1.0, 2.0):
        release(tmp_path / "store", "constant", functions.models.constant(value), runtime="compiled")
    point(tmp_path / "store", "1")
    return tmp_path / "store"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """Opened at the end, so that nothing of this process hangs on."""
    yield tmp_path / "gate"
    (tmp_path / "gate").touch()


def point(store: Path, version: str) -> None:
    promote(open_objects(parse_store(str(store))), "constant", version, "champion")


@contextmanager
def asked(served: Served) -> Iterator[list[list[Answer]]]:
    """Two clients that go on asking, not as fast as they can: one test waits 20 s. What they were answered."""
    stop = threading.Event()
    seen: list[list[Answer]] = [[], []]
    with ThreadPoolExecutor(len(seen)) as pool:
        asking = [pool.submit(ask, served, stop, own, 0.02) for own in seen]
        try:
            yield seen
        finally:
            stop.set()
        for future in asking:
            future.result()


def versions(seen: Sequence[Sequence[Answer]]) -> set[Answer]:
    return {answer for own in seen for answer in own}


def calls(gate: Path) -> int:
    """How often something has begun to hang there."""
    path = gate.with_name(f"{gate.name}.calls")
    return len(path.read_text().splitlines()) if path.exists() else 0


# --- compiled versions whose graph does what no compiler makes ---


def again(store: Path, change: Callable[[onnx.GraphProto], None], sample: Sequence[Any] = SAMPLE) -> str:
    """Version 1 with another graph, published and promoted; its number."""
    objects = open_objects(parse_store(str(store)))
    first = store / version_prefix("constant", "1")
    manifest = Manifest.from_bytes((store / manifest_name("constant", "1")).read_bytes())
    model = onnx.load_model(first / str(manifest.runtime["file"]))
    kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != "modelserve.smaller"}
    helper.set_model_props(model, kept)
    change(model.graph)
    number = max(int(path.name) for path in first.parent.iterdir()) + 1
    files = {entry.path: (first / entry.path).read_bytes() for entry in manifest.files}
    files[str(manifest.runtime["file"])] = model.SerializeToString()
    with TemporaryDirectory() as scratch:
        for path, data in files.items():
            (Path(scratch) / "file").write_bytes(data)
            objects.create(f"{version_prefix('constant', str(number))}/{path}", Path(scratch) / "file")
    sums = {path: checksums.of_bytes(data) for path, data in files.items()}
    entries = tuple(FileEntry(path, found.size, found.crc32c, found.sha256) for path, found in sums.items())
    made = replace(manifest, version=str(number), files=entries, sample=sample)
    objects.write(manifest_name("constant", str(number)), made.to_bytes(), 0)
    point(store, str(number))
    return str(number)


def failing(graph: onnx.GraphProto) -> None:
    """Every call raises."""
    graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [1], [32_767]))
    graph.node.append(helper.make_node("Reshape", [graph.input[0].name, "shape"], ["never"]))
    graph.output.append(helper.make_tensor_value_info("never", graph.input[0].type.tensor_type.elem_type, None))


def endless(graph: onnx.GraphProto) -> None:
    """Every call counts to 2^62."""
    number = helper.make_tensor_value_info("n", TensorProto.INT64, [])
    going, on = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "on"))
    state, after = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in ("s", "r"))
    steps = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Neg", ["s"], ["r"])]
    body = helper.make_graph(steps, "body", [number, going, state], [on, after])
    graph.initializer.append(helper.make_tensor("most", TensorProto.INT64, [], [1 << 62]))
    graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    graph.node.append(helper.make_node("Cast", [graph.input[0].name], ["start"], to=TensorProto.DOUBLE))
    graph.node.append(helper.make_node("Loop", ["most", "yes", "start"], ["never"], body=body))
    graph.output.append(helper.make_tensor_value_info("never", TensorProto.DOUBLE, None))


def test_a_compiled_version_that_fails_on_its_sample_is_refused(store: Path) -> None:
    location = parse(f"{store}/models/constant/versions/{again(store, failing)}")
    objects = open_objects(location)
    with pytest.raises(VersionUnusable, match="does not score its own sample"):
        load(resolve(location, objects), objects, Settings.from_environ({"MODEL_URI": str(store)}))


def test_a_compiled_version_that_fails_on_its_sample_is_never_swapped_in(store: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", settings(store)) as served, asked(served) as seen:
        again(store, failing)
        served.child.wait_until(lambda: bool(reported(served.child.log, "1")))
        answered(served, seen)
        flip(served, store, "2")
        answered(served, seen)
    assert versions(seen) == {(200, "1", 1.0), (200, "2", 2.0)}
    assert "This version does not score its own sample" in served.child.log.read_text()


@pytest.mark.parametrize("stage", ["load", "predict"])
def test_an_alias_that_moves_on_from_a_version_that_hangs_is_followed(
    stage: str, functions: Functions, store: Path, gate: Path, tmp_path: Path
) -> None:
    model = functions.models.stuck(gate, stage)
    with serving(tmp_path / "log", settings(store)) as served, asked(served) as seen:
        release(store, "constant", model)
        served.child.wait_until(lambda: calls(gate) == 1)
        answered(served, seen)
        assert served.client.get("/health").status_code == 200
        flip(served, store, "2")
        answered(served, seen)
        flip(served, store, "1")
    assert versions(seen) == {(200, "1", 1.0), (200, "2", 2.0)}
    assert calls(gate) == 1
    assert reported(served.child.log, "1") == []


def test_a_compiled_version_that_never_ends_its_warm_up_holds_nothing_up(store: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", settings(store) | {"LOAD_TIMEOUT_SECONDS": "5"}) as served, asked(served) as seen:
        again(store, endless)
        served.child.wait_until(lambda: "LOAD_TIMEOUT" in served.child.log.read_text())
        answered(served, seen)
        flip(served, store, "2")
        answered(served, seen)
    assert versions(seen) == {(200, "1", 1.0), (200, "2", 2.0)}


def test_a_version_that_does_not_load_in_time_is_said_and_tried_again_when_its_attempt_has_ended(
    functions: Functions, store: Path, gate: Path, tmp_path: Path
) -> None:
    model = functions.models.stuck(gate)
    with serving(tmp_path / "log", settings(store) | {"LOAD_TIMEOUT_SECONDS": "20"}) as served, asked(served) as seen:
        release(store, "constant", model)
        served.child.wait_until(lambda: len(reported(served.child.log, "1")) == 3)
        assert calls(gate) == 1, "what hangs is not begun again"
        answered(served, seen)
        assert served.client.get("/health").status_code == 200
        gate.touch()
        served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == "3")
        assert calls(gate) == 2, "what came too late was not taken"
        answered(served, seen)
    assert versions(seen) == {(200, "1", 1.0), (200, "3", 3.0)}
    lines = [json.loads(line) for line in served.child.log.read_text().splitlines() if line.startswith("{")]
    said = [line for line in lines if line.get("error_code") == "LOAD_TIMEOUT"]
    assert "within LOAD_TIMEOUT_SECONDS (20 s)" in said[0]["message"]
    assert "An earlier attempt at this version" in said[1]["message"]


def test_a_first_version_that_hangs_gives_way_to_the_one_the_alias_moves_to(
    functions: Functions, store: Path, gate: Path, tmp_path: Path
) -> None:
    release(store, "constant", functions.models.stuck(gate))
    with started("function", tmp_path / "log", settings(store) | {"LOAD_WAIT_SECONDS": "0.1"}) as served:
        served.child.wait_until(lambda: calls(gate) == 1)
        answer = served.post("/predict", {"x": 1.0})
        assert (answer.status_code, answer.json()["error_code"]) == (503, "MODEL_NOT_READY")
        point(store, "2")
        served.child.wait_until(lambda: served.client.get("/health").status_code == 200)
        assert served.post("/predict", {"x": 1.0}).json() == {"prediction": 2.0}


@pytest.mark.parametrize(
    ("stage", "host", "number"),
    [
        ("load", "container", signal.SIGTERM),
        ("predict", "container", signal.SIGINT),
        ("load", "function", signal.SIGTERM),
    ],
)
def test_a_load_that_hangs_does_not_keep_the_process(
    stage: str, host: str, number: signal.Signals, functions: Functions, store: Path, gate: Path, tmp_path: Path
) -> None:
    release(store, "constant", functions.models.stuck(gate, stage))
    with started(host, tmp_path / "log", settings(store)) as served:
        served.child.wait_until(lambda: calls(gate) == 1)
        os.kill(served.child.pid, number)
        assert served.child.wait(GRACE)
        assert host != "container" or served.child.returncode == 0


@pytest.mark.parametrize("host", ["container", "function"])
def test_a_download_that_drips_does_not_keep_the_process(
    host: str, functions: Functions, gcs: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gcs.bucket(f"drips-{host}")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    with closing(open_objects(parse_store(store))) as objects:
        promote(objects, "constant", put(objects, "constant", functions.models.constant(1.0)), "champion")
    with Proxy(gcs.url) as proxy:
        proxy.script([Fault("stall-after-10", r"versions/1/model\.\w+.*alt=media")])
        uri = {"MODEL_URI": f"{store}/models/constant@champion", "STORAGE_EMULATOR_HOST": proxy.url}
        with started(host, tmp_path / "log", uri) as served:
            served.child.wait_until(proxy.stalled.is_set)
            served.child.terminate()
            assert served.child.wait(GRACE)
            assert host != "container" or served.child.returncode == 0


@contextmanager
def started(host: str, log: Path, environ: dict[str, str]) -> Iterator[Served]:
    """Its port is open while the version loads."""
    environ = environ | {"LOAD_BEFORE_LISTEN": "false"}
    if host == "function":
        with serving(log, environ, ready="/health/live") as served:
            yield served
    else:
        with hosting("http", log, environ, ready="/health/live") as served:
            yield served
