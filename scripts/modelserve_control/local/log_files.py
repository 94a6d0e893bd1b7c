"""The prediction log of the local stack: `python -m modelserve_control.local.log_files HOST SUBSCRIPTION DIRECTORY`.

It writes what it pulls to `DIRECTORY/day=2026-03-01/*.parquet`, as BigQuery keeps it in the cloud. Each file is complete or
not there, and what it holds is acked after that.
"""

import json
import os
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import DeadlineExceeded

from modelserve_control.local import resources

SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("prediction_id", "caller_id", "request_id", "model", "version")),
        ("predict_method", pa.string()),
        ("time", pa.timestamp("us", "UTC")),
        ("milliseconds", pa.float64()),
        ("unknown_categories", pa.int64()),
        ("inputs", pa.string()),
        ("answer", pa.string()),
    ]
)
MAX_MESSAGES: Final = 1_000
COLLECT_SECONDS: Final = 1.0  # before a file is written, so that files are few
PULL_SECONDS: Final = 10.0


def write_rows(directory: Path, rows: Sequence[dict[str, Any]]) -> None:
    days: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        days[row["time"][:10]].append(row)
    for day, part in days.items():
        name = f"{uuid.uuid4().hex}.parquet"
        columns = {field.name: [row.get(field.name) for row in part] for field in SCHEMA}
        columns["time"] = [parse_time(row["time"]) for row in part]
        pq.write_table(pa.table(columns, SCHEMA), directory / f".{name}")
        folder = directory / f"day={day}"
        folder.mkdir(exist_ok=True)  # only now: whoever waits for a day reads it at once
        os.replace(directory / f".{name}", folder / name)


def parse_time(text: str) -> Any:
    return pa.scalar(text.removesuffix("Z")).cast(pa.timestamp("us")).as_py()


def run(host: str, subscription: str, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with resources.subscriber(host) as subscriber:
        while True:
            try:
                request = {"subscription": subscription, "max_messages": MAX_MESSAGES}
                received = subscriber.pull(request=request, timeout=PULL_SECONDS).received_messages
            except DeadlineExceeded:
                continue
            if received:
                write_rows(directory, [json.loads(one.message.data) for one in received])
                ids = [one.ack_id for one in received]
                subscriber.acknowledge(request={"subscription": subscription, "ack_ids": ids})
                time.sleep(COLLECT_SECONDS)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
