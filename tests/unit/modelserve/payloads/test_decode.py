import msgspec

from modelserve.payloads import Payload, PayloadForm
from modelserve.payloads.decode import check_payload
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import ExtraColumns
from signatures import signature


def test_a_checked_payload_keeps_no_cells() -> None:
    others = ExtraColumns(frozenset({"a", "b", "c"}))
    payload = Payload(Table({"x": [1, 2]}, 2, others), {"k": 1}, "predict", PayloadForm.RECORDS)
    request, batch = check_payload(payload, signature(x="double"))
    assert request == msgspec.structs.replace(payload, table=Table({}, 2, others))
    assert batch.columns["x"].tolist() == [1.0, 2.0]
