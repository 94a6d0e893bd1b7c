"""What comes back from the process is what decoding here gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from decoding import CASES, outcome, shown, with_decoder
from modelserve.core.errors import ServeError
from modelserve.http.decoder.client import Decoder
from modelserve.schema.texts import Words


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


@pytest.mark.parametrize(("name", "texts"), [("parquet, all columns", Words), ("parquet, many texts", np.ndarray)])
def test_numbers_and_texts_of_parquet_come_without_a_python_value_each(name: str, texts: type) -> None:
    async def work(made: Decoder) -> None:
        cells = (await made.check(*CASES[name])).batch.cells
        assert cells is not None
        assert [type(cells[column]) for column in "acdg"] == [np.ndarray, texts, np.ndarray, np.ndarray]

    with_decoder(work)
