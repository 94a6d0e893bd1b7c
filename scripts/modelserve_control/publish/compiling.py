"""Compilation as a part of publishing: add the compiled form to the directory after its verification."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml

from modelserve.models.native.runtime import NativeRuntime
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from modelserve.store.names.locations import MLMODEL
from modelserve_control.compile import CannotCompile, CompiledModel, Report, compile, generate_batches, verify
from modelserve_control.publish.validation import COMPILE_SECONDS

MODEL_FILE: Final = "model.onnx"
PACKED_FILE: Final = "served.onnx"


def add_compiled(
    directory: Path, runtime: NativeRuntime, signature: Signature, sample: Batch | None, predict_fn: str
) -> Mapping[str, Any]:
    """The description of the compiled runtime for the manifest. Raises CannotCompile and leaves the directory unchanged."""
    if runtime.estimator is None:
        raise CannotCompile("Only estimators with scikit-learn's interface compile.")
    for name in (MODEL_FILE, PACKED_FILE):
        if (directory / name).exists() and not is_republished(directory / MLMODEL):
            raise CannotCompile(f"The model already has a file {name}.")
    with time_limit(COMPILE_SECONDS):
        compiled = compile(runtime.estimator, signature)
        report = verify(runtime.estimator, signature, compiled, verification_batches(signature, compiled, sample))
    if report.mismatch is not None:
        raise CannotCompile(f"The compiled form gives different answers. {report.mismatch}")
    (directory / MODEL_FILE).write_bytes(compiled.model.SerializeToString())
    (directory / PACKED_FILE).write_bytes(compiled.packed_model)
    add_flavor(directory / MLMODEL)
    return description(compiled, runtime.classes, predict_fn, report)


class CompileTimeout(BaseException):
    """Not an Exception, because the verification takes those of both forms as their answers."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises CannotCompile when the block takes longer. Only for the main thread, which gets a signal."""

    def stop(*_: object) -> None:
        raise CompileTimeout

    before = signal.signal(signal.SIGUSR2, stop)
    timer = threading.Timer(seconds, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR2))
    timer.daemon = True
    try:
        timer.start()
        yield
    except CompileTimeout:
        raise CannotCompile(f"Compiling and verifying it did not end within {seconds:g} s.") from None
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        timer.cancel()
        timer.join()  # or its signal would come when the handler before is back
        signal.signal(signal.SIGUSR2, before)


def is_republished(path: Path) -> bool:
    """Whether the model is a compiled version that is published again; then it is compiled again."""
    flavors = yaml.safe_load(path.read_text())["flavors"]
    return bool(flavors.get("onnx", {}).get("data") == MODEL_FILE and "sklearn" in flavors)


def verification_batches(
    signature: Signature, compiled: CompiledModel, sample: Batch | None
) -> Iterator[tuple[str, Batch]]:
    """The sample, then generated rows."""
    if sample is not None and sample.rows:
        yield "the sample", sample
    yield from generate_batches(signature, compiled, sample)


def description(
    compiled: CompiledModel, classes: Sequence[Any] | None, predict_fn: str, report: Report
) -> Mapping[str, Any]:
    found = dict(compiled.metadata())
    # The default predict_method comes first.
    found["outputs"] = sorted(found["outputs"], key=lambda output: str(output["name"]) != predict_fn)
    verified = {key: value for key, value in asdict(report).items() if key != "mismatch"}
    return {"kind": "compiled", "file": PACKED_FILE, "classes": classes, "verified": verified, **found}


def add_flavor(path: Path) -> None:
    """Add the flavor for `mlflow.onnx.load_model`, as MLflow would write it (mlflow/onnx/__init__.py)."""
    mlmodel = yaml.safe_load(path.read_text())
    mlmodel["flavors"]["onnx"] = {
        "onnx_version": version("onnx"),
        "data": MODEL_FILE,
        "providers": ["CPUExecutionProvider"],
        "onnx_session_options": None,
        "save_as_external_data": False,
        "code": None,
    }
    path.write_text(yaml.safe_dump(mlmodel, sort_keys=False))
