"""What MLflow's own tests send to its scoring server, and more of its kind, sent to that server and to ours.

Both answer alike, or the difference stands in a table of docs/http.md, which has no other row.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import pandas as pd
import pytest

from contract.peers.tables import differences
from serving import Functions

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and its flavors deprecate is not ours to mend

HEADING: Final = "Differences from MLflow's own server"
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"

FLOWERS: Final = [[1.0, 0.2], [6.5, 2.4]]
FLOWER_RECORDS: Final = [dict(zip("ab", row, strict=True)) for row in FLOWERS]
EVERY_TYPE: Final = [
    {"flag": True, "small": 1, "large": 2, "single": 0.5, "real": 3.25, "text": "a", "when": "2021-02-02T12:00:00", "bytes": "AQID"},
    {"flag": False, "small": 3, "large": 4, "single": 1.5, "real": 0.1, "text": "", "when": "2021-01-01T00:00:00", "bytes": "AA=="},
]  # fmt: skip
BY_COLUMN: Final = {name: [record[name] for record in EVERY_TYPE] for name in EVERY_TYPE[0]}


def split(columns: Any, data: Any, **more: Any) -> Any:
    return {"dataframe_split": {"columns": list(columns), "data": data, **more}}


def parquet(records: Any) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(records).to_parquet(file)
    return file.getvalue()


class Case(NamedTuple):
    model: str
    body: Any
    row: str = ""
    """Of the table, where the answers differ."""
    content_type: str = JSON


MISFIT: Final = "a value that does not fit is 400 with every bad cell"
CASES: Final[dict[str, Case]] = {
    # --- forms that are taken ---
    "records": Case("tensor", {"dataframe_records": FLOWER_RECORDS}),
    "records, charset": Case("tensor", {"dataframe_records": FLOWER_RECORDS}, "", "application/json; charset=UTF-8"),
    "split": Case("tensor", split([0, 1], FLOWERS, index=[0, 1])),
    "split, charset": Case("tensor", split([0, 1], FLOWERS), "", "application/json; charset=utf-8"),
    "split, names": Case("tensor", split("ab", FLOWERS)),
    "instances": Case("tensor", {"instances": FLOWERS}),
    "inputs": Case("tensor", {"inputs": FLOWERS}),
    "parquet of a tensor": Case("tensor", parquet(FLOWER_RECORDS), "", PARQUET),
    "instances of named tensors": Case("tensors", {"instances": [{"a": [1.0, 2.0], "b": [3.0]}, {"a": [4.0, 5.0], "b": [6.0]}]}),
    "inputs of named tensors": Case("tensors", {"inputs": {"a": [[1.0, 2.0], [4.0, 5.0]], "b": [[3.0], [6.0]]}}),
    "every type, split": Case("every_type", split(reversed(BY_COLUMN), [list(record.values())[::-1] for record in EVERY_TYPE])),
    "every type, records": Case("every_type", {"dataframe_records": EVERY_TYPE}),
    "inputs by column": Case("framed", {"inputs": {"x": [1.0, 2.0]}}),
    "instances as an object": Case("framed", {"instances": {"x": [1.0, 2.0]}}),
    "texts with colons and slashes": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"text": "http://a.b/c:d"}]}),
    "csv": Case("framed", b"x\n1.5\n2.5\n", "", CSV),
    "parquet": Case("framed", parquet([{"x": 1.5}]), "", PARQUET),
    "params": Case("params", {"dataframe_records": [{"x": 3.0}], "params": {"factor": 10.0}}),
    # --- what is refused by both ---
    "no JSON": Case("tensor", b"this is,,,, not valid json"),
    "no UTF-8": Case("tensor", b'{"inputs": "\xff"}'),
    "a number": Case("tensor", 1),
    "a text": Case("tensor", "1"),
    "a list": Case("tensor", [1]),
    "no form": Case("tensor", {"not": "a serialized dataframe"}),
    "two forms": Case("tensor", {"dataframe_records": [], "dataframe_split": {"data": []}}),
    "split as records": Case("tensor", {"dataframe_split": FLOWER_RECORDS}),
    "records as split": Case("tensor", {"dataframe_records": {"columns": ["a", "b"], "data": FLOWERS}}),
    "an index of another length": Case("tensor", {"dataframe_split": {"index": [1, 2], "data": [[1], [2], [3]]}}),
    "another shape": Case("tensor", split([0], [[1.0], [2.0]])),
    "no CSV": Case("framed", b"", "", CSV),
    "no Parquet": Case("framed", b"PAR1", "", PARQUET),
    "a param of another type": Case("params", {"dataframe_records": [{"x": 3.0}], "params": {"factor": "x"}}),
    "a column is missing": Case("framed", {"dataframe_records": [{"y": 3.0}]}),
    "another content type": Case("tensor", {"inputs": FLOWERS}, "", "not_a_supported_content_type"),
    "another charset": Case("tensor", {"inputs": FLOWERS}, "", "application/json; charset=latin-1"),
    # --- what differs ---
    "csv of a tensor": Case("tensor", b"a,b\n1.0,0.2\n6.5,2.4\n", "CSV is taken for a nameless tensor", CSV),
    "every type, inputs": Case("every_type", {"inputs": BY_COLUMN}, "base64 for a `binary` column is decoded in every form"),
    "a parameter of the content type": Case("tensor", {"inputs": FLOWERS}, "parameters of `Content-Type` other than `charset` are ignored", "application/json; something=something"),
    "a fraction for a long": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"large": True}]}, MISFIT),
    "null": Case("framed", {"dataframe_records": [{"x": None}]}, "null in a required column is 400"),
    "NaN": Case("framed", b'{"dataframe_records": [{"x": NaN}]}', "NaN and Infinity in JSON are 400: they are not JSON, and a missing number is null"),
    "unknown params": Case("params", {"dataframe_records": [{"x": 3.0}], "params": {"faktor": 1}}, "unknown params are 400"),
    "an unknown key": Case("framed", {"dataframe_records": [{"x": 3.0}], "secret": 1}, "a key beside the form and `params` is 400"),
    "a key twice": Case("framed", b'{"dataframe_records": [{"x": 3.0, "x": 4.0}]}', "a key that comes twice is 400"),
    "no rows": Case("tensor", {"dataframe_split": {"columns": [0, 1], "data": []}}, "no rows give no predictions"),
    "messages": Case("sized", {"messages": [{"role": "user", "content": "x"}]}, "`messages`, `prompt` and `input` without a form are 400"),
    "a number for a text": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"text": 1}]}, MISFIT),
    "a number for a boolean": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"flag": 1.5}]}, MISFIT),
    "a text for a boolean": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"flag": "some text"}]}, MISFIT),
    "a long for an integer": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"small": 9007199254740991}]}, MISFIT),
    "a long for a float": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"single": 9007199254740991}]}, MISFIT),
    "a model that raises": Case("raising", {"dataframe_records": [{"x": 1.0, "marked": True}]}, "a model that raises is 500"),
    "a row that the model drops": Case("dropping", {"dataframe_records": [{"x": 1.0, "y": None}, {"x": 1.0, "y": 0.5}]}, "an answer with other rows than were asked is never passed on"),
    "codes as texts": Case("every_type", {"dataframe_records": [EVERY_TYPE[0] | {"text": "95120"}]}),
    "NaN in an answer": Case("framed", {"dataframe_records": [{"x": -1.0}]}, "NaN in an answer becomes null"),
}  # fmt: skip
MESSAGES_OF_ERRORS: Final = "an error has a code of its own, `details` and `request_id`"


@pytest.fixture(scope="session")
def scoring_server(models: Library) -> Callable[[str], Any]:
    """MLflow's application for each model, loaded once."""
    import mlflow.pyfunc
    from mlflow.pyfunc import scoring_server

    apps: dict[str, Any] = {}

    def app(model: str) -> Any:
        if model not in apps:
            apps[model] = scoring_server.init(mlflow.pyfunc.load_model(str(models.path(model))))
        return apps[model]

    return app


def ask_mlflow(app: Any, case: Case, content: bytes) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mlflow") as client:
            return await client.post("/invocations", content=content, headers={"content-type": case.content_type})

    return asyncio.run(ask())


def answer_of(response: httpx.Response) -> Any:
    """Without the text of an error, which is each server's own."""
    return (response.status_code, response.json() if response.status_code == 200 else None)


@pytest.mark.parametrize("name", CASES)
def test_both_servers_answer_alike_or_the_difference_stands_in_the_table(
    functions: Functions, scoring_server: Callable[[str], Any], name: str
) -> None:
    case = CASES[name]
    content = case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()
    theirs = ask_mlflow(scoring_server(case.model), case, content)
    headers = {"content-type": case.content_type}
    ours = functions(case.model).client.post("/invocations", content=content, headers=headers)
    assert (repr(answer_of(ours)) == repr(answer_of(theirs))) is not bool(case.row), (ours.text, theirs.text)
    assert not case.row or case.row in differences(HEADING)
    if ours.status_code == 400:
        assert ours.json().keys() == {"error_code", "message", "details", "request_id"}
        assert MESSAGES_OF_ERRORS in differences(HEADING)


def test_the_table_has_no_other_row() -> None:
    assert differences(HEADING) == {case.row for case in CASES.values() if case.row} | {MESSAGES_OF_ERRORS}


def test_mlflows_client_asks_our_server(functions: Functions) -> None:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    from mlflow.version import VERSION

    served = functions("tensor")
    host, port = served.url.removeprefix("http://").split(":")
    make_client: Any = ScoringServerClient
    client = make_client(host, port)
    client.ping()
    assert client.get_version() == VERSION
    frame = pd.DataFrame(FLOWERS, columns=["a", "b"])
    for data in (frame, frame.to_numpy()):
        assert client.invoke(data).get_predictions().to_numpy().ravel().tolist() == [0, 2]
