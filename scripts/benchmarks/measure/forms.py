"""Compare each wire form of the compiled runtime with two hello worlds: `scripts/bench --forms`.

One decodes the body with the usual library (json, csv, pyarrow). The other only reads its bytes.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from benchmarks import processors
from benchmarks.measure.round import BULK_ROWS, CONNECTIONS, require_success
from benchmarks.model import load_model
from benchmarks.servers.protocols import Protocol, Rows, dump_json, first_tensor, predictions, records, tensor
from benchmarks.servers.running import RunningServer, Site, run_server
from benchmarks.servers.storage import COMPILED_RUNTIME, VERSIONS, publish_model
from benchmarks.servers.table import COMPILED, LIMIT, OWN, READING
from modelserve.payloads.decode import BINARY, CSV, PARQUET

ROUNDS: Final = 10
SECONDS: Final = 0.2
WARM_REQUESTS: Final = 100
HELLO: Final = replace(next(server for server in OWN if server.name == LIMIT), title="hello world")
OURS: Final = next(server for server in OWN if server.name == COMPILED)


def record_or_list(rows: Rows) -> Any:
    return rows[0] if len(rows) == 1 else rows


def records_with_params(rows: Rows) -> Any:
    return {"dataframe_records": rows, "params": {"predict_method": "predict"}}


def lists(rows: Rows) -> list[list[Any]]:
    return [list(row.values()) for row in rows]


def split_frame(rows: Rows) -> Any:
    return {"dataframe_split": {"columns": list(rows[0]), "data": lists(rows)}}


def columns(rows: Rows) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def tensors(rows: Rows) -> Any:
    return {"inputs": [tensor(name, data) for name, data in columns(rows).items()]}


def results(answer: Any) -> list[Any]:
    """The labels of one result object or of a list of result objects."""
    return [result["prediction"] for result in (answer if isinstance(answer, list) else [answer])]


def dump_csv(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def dump_parquet(rows: Rows) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), file)
    return file.getvalue()


HEAD_END: Final = b"}}]}"  # of the JSON before the bytes of a tensor


def dump_tensor(rows: Rows) -> bytes:
    """One tensor of all columns, as bytes behind its description."""
    import numpy as np

    values = np.array(lists(rows), dtype="<f8")
    tensor = {"name": "input", "shape": list(values.shape), "datatype": "FP64"}
    head = dump_json({"inputs": [{**tensor, "parameters": {"binary_data_size": values.nbytes}}]})
    return head + values.tobytes()


def json_size(body: bytes) -> Mapping[str, object]:
    return {"Inference-Header-Content-Length": body.index(HEAD_END) + len(HEAD_END)}


@dataclass(frozen=True)
class Form:
    """`targets` by rows: the least accepted ratio of our requests/s to those of the hello world that reads the body."""

    title: str
    protocol: Protocol
    targets: Mapping[int, float]
    model: str = "churn"


INVOCATIONS: Final = "/invocations"
INFER: Final = "/v2/models/{name}/infer"
JSON_TARGETS: Final = {1: 0.6, BULK_ROWS: 0.6}
FILE_TARGETS: Final = {BULK_ROWS: 0.4}
# The path of V2 contains the name of the model.
FORMS: Final[Mapping[str, Form]] = {
    "plain": Form("plain records", Protocol("/predict", record_or_list, results), JSON_TARGETS | {1: 0.7}),
    "dataframe_records": Form("dataframe_records", Protocol(INVOCATIONS, records, predictions), JSON_TARGETS),
    "instances": Form(
        "instances of records", Protocol(INVOCATIONS, lambda rows: {"instances": rows}, predictions), JSON_TARGETS
    ),
    "dataframe_split": Form("dataframe_split", Protocol(INVOCATIONS, split_frame, predictions), JSON_TARGETS),
    "inputs": Form("inputs", Protocol(INVOCATIONS, lambda rows: {"inputs": columns(rows)}, predictions), JSON_TARGETS),
    "instance_lists": Form(
        "instances of lists", Protocol(INVOCATIONS, lambda rows: {"instances": lists(rows)}, predictions), JSON_TARGETS
    ),
    "params": Form("records with params", Protocol(INVOCATIONS, records_with_params, predictions), JSON_TARGETS),
    "v2": Form("V2", Protocol(INFER, tensors, first_tensor), JSON_TARGETS),
    "encoded": Form(
        "plain records of 19 numbers", Protocol("/predict", record_or_list, results), JSON_TARGETS, "encoded"
    ),
    "binary": Form(
        "V2, 19 numbers as bytes",
        Protocol(INFER, lambda rows: rows, first_tensor, dump_tensor, BINARY, json_size),
        JSON_TARGETS,
        "encoded",
    ),
    "csv": Form("CSV", Protocol(INVOCATIONS, lambda rows: rows, predictions, dump_csv, CSV), FILE_TARGETS),
    "parquet": Form(
        "Parquet", Protocol(INVOCATIONS, lambda rows: rows, predictions, dump_parquet, PARQUET), FILE_TARGETS
    ),
}


class Turn(NamedTuple):
    """`rate`: requests per second. `processor`: processor seconds per request of the server and its descendants."""

    rate: float
    processor: float


@dataclass(frozen=True)
class FormFigures:
    """One turn of each server in each round. `target` is the least accepted ratio to `reading`."""

    form: str
    rows: int
    ours: Sequence[Turn]
    reading: Sequence[Turn]
    hello: Sequence[Turn]
    target: float | None

    @property
    def ratios(self) -> Sequence[float]:
        return [ours.rate / reading.rate for ours, reading in zip(self.ours, self.reading, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def processor_ratio(self) -> float:
        """The ratio that a machine without other work would show."""
        return median(reading.processor / ours.processor for ours, reading in zip(self.ours, self.reading, strict=True))

    @property
    def ratio_to_hello(self) -> float:
        return median(ours.rate / hello.rate for ours, hello in zip(self.ours, self.hello, strict=True))

    @property
    def is_met(self) -> bool:
        return self.target is None or self.ratio >= self.target


def run(names: Sequence[str], seconds: float, rounds: int) -> list[FormFigures]:
    """Publish the compiled models of the forms, start the servers on one processor, and measure each form.

    Raises a ServeError that says which server failed.
    """
    pair = processors.choose_pair()
    with processors.pin_to(pair[1]):
        return measure_models(pair, names, seconds, rounds)


def measure_models(pair: tuple[int, int], names: Sequence[str], seconds: float, rounds: int) -> list[FormFigures]:
    with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
        return [
            figures
            for model in dict.fromkeys(FORMS[name].model for name in names)
            for figures in measure_model(model, Path(directory) / model, pair, names, seconds, rounds)
        ]


def measure_model(
    model: str, scratch: Path, pair: tuple[int, int], names: Sequence[str], seconds: float, rounds: int
) -> list[FormFigures]:
    scratch.mkdir()
    trained = load_model(model)
    with publish_model(trained, scratch, [COMPILED_RUNTIME], VERSIONS[:1]) as store:
        chosen = [FORMS[name] for name in names if FORMS[name].model == model]
        return measure(Site(trained, store, scratch, pair), chosen, seconds, rounds)


def measure(site: Site, chosen: Sequence[Form], seconds: float, rounds: int) -> list[FormFigures]:
    with run_server(HELLO, site) as hello, run_server(READING, site) as reading, run_server(OURS, site) as ours:
        servers = (hello, reading, ours)
        return [figures for form in chosen for figures in measure_form(servers, form, seconds, rounds)]


def measure_form(servers: Sequence[RunningServer], form: Form, seconds: float, rounds: int) -> Iterator[FormFigures]:
    hello, reading, ours = servers
    path = form.protocol.path.format(name=ours.site.store.name(COMPILED_RUNTIME))
    protocol = replace(form.protocol, path=path)
    ours = ours.with_protocol(protocol)
    hello, reading = (server.with_protocol(replace(protocol, read=None)) for server in (hello, reading))
    for rows in (1, BULK_ROWS):
        require_success(ours, ours.drive(rows, 1, count=1))
        turns = measure_turns((hello, reading, ours), rows, seconds, rounds)
        target = form.targets.get(rows)
        yield FormFigures(form.title, rows, turns[ours.port], turns[reading.port], turns[hello.port], target)


def measure_turns(servers: Sequence[RunningServer], rows: int, seconds: float, rounds: int) -> Mapping[int, list[Turn]]:
    """By port. The servers take turns to go first, so that a drift of the machine affects all equally."""
    turns: dict[int, list[Turn]] = {server.port: [] for server in servers}
    for server in servers:
        require_success(server, server.drive(rows, CONNECTIONS, count=WARM_REQUESTS))
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            before = server.processor_seconds()
            load = require_success(server, server.drive(rows, CONNECTIONS, seconds=seconds))
            processor = (server.processor_seconds() - before) / len(load.latencies)
            turns[server.port].append(Turn(load.rate, processor))
    return turns
