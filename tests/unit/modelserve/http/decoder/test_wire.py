"""What comes back from the process is what decoding here gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from decoding import CASES, LIMITS, outcome, shown, with_decoder
from modelserve.core.errors import ServeError
from modelserve.http.decoder.client import Decoder


def test_the_process_answers_what_decoding_here_answers() -> None:
    async def work(made: Decoder) -> None:
        for name, (data, kind, protocol, decoder) in CASES.items():
            try:
                expected: Any = shown(decoder.decode(data, kind, protocol))
            except ServeError as error:
                expected = outcome(error)
            try:
                found: Any = shown(await made.check(data, kind, protocol, decoder))
            except ServeError as error:
                found = outcome(error)
            assert found == expected, name

    with_decoder(work)


def test_arrays_from_the_process_may_be_written_to() -> None:
    async def work(made: Decoder) -> None:
        columns = (await made.check(*CASES["parquet, many"])).batch.columns
        assert all(array.flags.writeable and array.flags.aligned for array in columns.values())

    with_decoder(work)


def test_numbers_and_texts_of_parquet_come_without_a_python_value_each() -> None:
    from modelserve.payloads import parquet as parquets

    data, _, _, decoder = CASES["parquet, many"]
    columns = parquets.parse(data, decoder.signature, LIMITS).table.columns
    assert all(isinstance(columns[name], np.ndarray) for name in ("a", "c", "g"))
