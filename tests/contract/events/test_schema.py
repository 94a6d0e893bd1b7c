"""`modelserve schema`: the events that the event function publishes are valid in the schema that is printed for them."""

from __future__ import annotations

import io
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_line import CommandLine
from contract.events.conftest import RIDE_FIELDS
from contract.events.topics import RIDE, RIDE_EVENT, Topics, push_body
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common import processes
from modelserve_control.common.progress import Lines
from modelserve_control.publish.publish import file_entries, upload
from modelserve_control.publish.validate import validate
from modelserve_control.registry import catalog
from modelserve_control.registry.promote import promote
from serving import Served, serving

if TYPE_CHECKING:
    from models.library import Library

fastavro = pytest.importorskip("fastavro", reason="fastavro, which reads Avro's JSON encoding, is not installed")

CUSTOMER = {"contract": "one_year", "tenure": 20, "monthlycharges": 60.0}
FLOWER = {"length": 1.5, "width": 0.4}
RIDE_WORDS = ("--features-field", "ride", "--id-field", "ride_id", "--id-type", "long")
YES = {"positive_class": "yes", "threshold": 0.5, "label": "churn"}


@dataclass(frozen=True)
class Case:
    """`message` is what comes in, `words` say how; `prediction` is the Avro type of a result's `prediction`, or of its label."""

    model: str
    message: Any
    compile: str = "auto"
    presentation: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    prediction: Any = None


WRONG: tuple[dict[str, Any], ...] = ({"model": None}, {"version": 1}, {"prediction": {}}, {"more": "than that"})
ARRAY = {"type": "array", "items": "double"}
CASES = {
    "classifier, compiled": Case("churn", CUSTOMER, presentation=YES, prediction="string"),
    "classifier, native": Case("churn", CUSTOMER, "never", presentation=YES, prediction="string"),
    "labels that are numbers": Case("integer_labels", [FLOWER, FLOWER], prediction="long"),
    "regressor with ids": Case(
        "ride_duration", RIDE_EVENT, "auto", {"label": "prediction"}, RIDE_FIELDS, RIDE_WORDS, prediction="double"
    ),
    "regressor, native": Case("ride_duration", RIDE, "never", prediction="double"),
    "two outputs, compiled": Case("two_outputs", {"x": 2}, prediction=ARRAY),
    "two outputs, native": Case("two_outputs", {"x": 2}, "never", prediction=ARRAY),
    "a tensor": Case("tensor", {"inputs": [[6.0, 2.0]]}, "never", prediction="long"),
}


def command(store: Path) -> CommandLine:
    return CommandLine(str(store), processes.with_sources({}))


def published(store: Path, directory: Path, case: Case) -> None:
    """As the command does it, but in this process, which has imported what models need."""
    copy = Path(shutil.copytree(directory, store.with_name("copy")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries' imports deprecate is not ours to mend
        found = json.loads(json.dumps(validate(copy, None, "pickle", case.compile)))
    described = {key: found[key] for key in ("signature", "runtime", "methods", "environment", "sample")}
    draft = Manifest(
        case.model, "1", tuple(file_entries(copy)), presentation=dict(case.presentation) or None, **described
    )
    with catalog.open_store(str(store), new=True) as objects, open(os.devnull, "w") as nowhere:
        promote(objects, case.model, upload(objects, draft, copy, Lines(nowhere)).version, "champion")


@contextmanager
def events(store: Path, case: Case, topics: Topics, log: Path) -> Iterator[Served]:
    settings = {"MODEL_URI": f"{store}/models/{case.model}@champion", "MODEL_TRUST": "pickle"}
    settings |= topics.settings | dict(case.settings)
    with serving(log, settings, "predict_event", "/health/ready", cold=case.compile != "never") as served:
        yield served


def encoded(schema: Any, value: Any) -> Any:
    """The value in Avro's JSON encoding, decoded as JSON. Raises when it does not fit, or has more."""
    text = io.StringIO()
    parsed = fastavro.parse_schema(schema)
    fastavro.validate(value, parsed)
    fastavro.json_writer(text, parsed, [value], strict=True)
    return json.loads(text.getvalue())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_published_events_are_valid_as_they_are(case: Case, models: Library, topics: Topics, tmp_path: Path) -> None:
    store = tmp_path / "store"
    published(store, models.path(case.model), case)
    schema = command(store).json("schema", case.model, *case.words)
    assert '["null"' not in json.dumps(schema), "Avro's JSON encoding would wrap a union's values"
    (prediction,) = [field["type"] for field in schema["fields"] if field["name"] == "prediction"]
    assert {field["name"]: field["type"] for field in prediction["fields"]}["prediction"] == case.prediction
    count = len(case.message) if isinstance(case.message, list) else 1
    with events(store, case, topics, tmp_path / "log") as served:
        answer = served.post("/", push_body(case.message, uuid.uuid4().hex))
    assert answer.json() == {"published": count, "dead_lettered": 0}
    for seen in topics.predictions(count):
        assert encoded(schema, seen.event) == seen.event
        for changed in WRONG:
            with pytest.raises((fastavro.validation.ValidationError, ValueError)):
                encoded(schema, seen.event | changed)
    if case.model == "ride_duration":
        taken = command(store).json("schema", case.model, "--of", "input", *case.words)
        assert encoded(taken, case.message) == case.message


def test_a_frame_is_a_record_of_its_columns(models: Library, topics: Topics, tmp_path: Path) -> None:
    store, case = tmp_path / "store", Case("framed", {"x": 3.0})
    published(store, models.path("framed"), case)
    schema = command(store).json("schema", "framed/1")
    with events(store, case, topics, tmp_path / "log") as served:
        served.post("/", push_body([{"x": 3.0}, {"x": -3.0}], uuid.uuid4().hex))
    whole, null = sorted(
        topics.predictions(2), key=lambda seen: seen.event["prediction"]["prediction"]["square"] is None
    )
    assert encoded(schema, whole.event) == whole.event
    assert null.event["prediction"]["prediction"]["square"] is None
    with pytest.raises(fastavro.validation.ValidationError):  # as docs/schema.md says
        encoded(schema, null.event)


def test_an_optional_column_is_a_union_which_json_wraps(models: Library, tmp_path: Path) -> None:
    store = tmp_path / "store"
    published(store, models.path("optional"), Case("optional", {}))
    done = command(store)("schema", "optional@champion", "--of", "input")
    schema = json.loads(done.out)
    assert done.err.startswith(
        "warning: until, amount, note, flag can be or contain null, and Avro's JSON encoding wraps"
    )
    record = {"when": "2026-01-01", "until": None, "amount": 1.5, "note": None, "flag": None}
    assert encoded(schema, record) == record | {"amount": {"double": 1.5}}
