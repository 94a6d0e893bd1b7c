"""What a compiled version brings into its process, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batches import BAD, GOOD
from modelserve_control.common import processes
from serving import Functions, release

# pickle itself is imported by numpy and by functions-framework; nothing here can unpickle a model without these.
ABSENT = (
    "mlflow",
    "sklearn",
    "pandas",
    "scipy",
    "skops",
    "cloudpickle",
    "joblib",
    "pyarrow",
    "yaml",
    "google.cloud.storage",
    "grpc",
)

SCRIPT = """
import json, sys
import functions_framework.aio
from modelserve.server.process import Process
process = Process()
process.start()
process.http
process.active._first.result(120)
assert process.active.current.runtime.kind == "compiled"
print(json.dumps(sorted(sys.modules)))
"""

SCORE = """
import json, sys
from modelserve_control.cli.entry import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)))
"""


def test_no_library_that_could_unpickle_is_imported(functions: Functions, tmp_path: Path) -> None:
    release(tmp_path, "churn", functions.models.path("churn"), runtime="compiled")
    environ = processes.with_sources(
        {"PATH": "", "MODEL_URI": f"{tmp_path}/models/churn@champion", "LOG_LEVEL": "ERROR"}
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environ, capture_output=True, text=True, timeout=150, check=True
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in ABSENT if name in modules] == []
    assert "onnxruntime" in modules


def test_a_batch_imports_neither_pandas_nor_mlflow(functions: Functions, tmp_path: Path) -> None:
    release(tmp_path, "churn", functions.models.path("churn"), runtime="compiled")
    pq.write_table(pa.Table.from_pylist([GOOD, *BAD]), tmp_path / "in.parquet")
    words = ["score", "churn", tmp_path / "in.parquet", tmp_path / "out.parquet", "--store", tmp_path, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", SCORE, *map(str, words)],
        env=processes.with_sources({"PATH": ""}),
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in ("pandas", "mlflow", "sklearn", "scipy") if name in modules] == []
    assert "pyarrow" in modules
