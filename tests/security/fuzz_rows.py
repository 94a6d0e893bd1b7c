"""Bodies that were damaged at random, read by the library of rows.c where a byte too many ends the process.

`python fuzz_rows.py LIBRARY COUNT`: each body ends where a page begins that nothing may touch, and the tensors stand among
cells that nothing may change. A process of its own, because the library would take its own with it.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import random
import sys
from pathlib import Path

import numpy as np

from modelserve.models.compiled import rows_plan
from modelserve.models.compiled.packing import Input, Lookup, Packing, Plan
from modelserve.models.compiled.rows import RowReader
from modelserve.payloads import Limits
from modelserve.schema.signature import from_mlmodel

PAGES = 8
MOST_ROWS = 4
GOOD = {
    "t": "grün",
    "n": -12,
    "x": 2.5e-3,
    "f": True,
    "w": "some words: ü",
    "u": None,
    "a long name": "seventeen letters",
}
KINDS = {
    "t": "string",
    "n": "long",
    "x": "double",
    "f": "boolean",
    "w": "string",
    "u": "string",
    "a long name": "string",
}
PLAN = Plan(
    numbers=[Input("n", "double"), Input("x", "double"), Input("f", "double")],
    lookups=[
        Lookup(Input("t", "string"), ["grün", "a"], [1, 2], 0),
        Lookup(Input("x", "double"), [2.5e-3], [1], 0),
        Lookup(Input("a long name", "string"), ["seventeen letters"], [1], 0),
    ],
    texts={"text_0": Input("u", "string", nullable=True)},
)
PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"tru",
    b"1e",
    b"-",
    b".",
    b"0",
    b"\xc3",
    b"\xf0\x9f",
    b"\0",
    b"9" * 70,
]


def guarded() -> tuple[mmap.mmap, int]:
    """Memory, and where its last page begins, which nothing may touch."""
    memory = mmap.mmap(-1, PAGES * mmap.PAGESIZE)
    last = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + (PAGES - 1) * mmap.PAGESIZE
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(last), mmap.PAGESIZE, 0):
        sys.exit("the page cannot be guarded")
    return memory, last


def damaged(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randrange(4)):
        place, cut = chance.randrange(len(data) + 1), chance.randrange(6)
        new = chance.choice([*PIECES, bytes([chance.randrange(256)]), data[place // 2 : place]])
        data = data[:place] + new + data[place + cut :]
    return data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data


def main(library: str, count: int) -> None:
    rows_plan.LIBRARY = Path(library)  # type: ignore[misc]  # final for everyone else
    signature = from_mlmodel({"inputs": [{"name": n, "type": k, "required": n != "u"} for n, k in KINDS.items()]})
    assert signature is not None
    reader = RowReader(signature, Packing(PLAN), Limits(100, 20, 10), 3 * MOST_ROWS)
    plan, kept = reader._plan, reader._kept
    # The plan is told of the middle third, so that what stands before and behind must stay.
    for tensor, pointer in ((kept.numbers, "numbers"), (kept.codes, "codes"), (kept.texts, "texts")):
        tensor[:] = 77
        middle = tensor[MOST_ROWS : 2 * MOST_ROWS]
        setattr(plan, pointer, middle.ctypes.data_as(type(getattr(plan, pointer))))
    plan.most_rows = MOST_ROWS
    read = rows_plan.library().read_rows
    read.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *read.argtypes[2:]]

    memory, end = guarded()
    chance = random.Random(count)
    known = [
        json.dumps(body, ensure_ascii=a).encode()
        for a in (True, False)
        for body in (GOOD, [GOOD] * 5, {"instances": [{**GOOD, "id": 1}] * 2})
    ]
    taken = 0
    for _ in range(count):
        body = damaged(chance.choice(known), chance)[: (PAGES - 1) * mmap.PAGESIZE]
        start = (PAGES - 1) * mmap.PAGESIZE - len(body)
        memory[start : start + len(body)] = body
        taken += read(ctypes.addressof(plan), end - len(body), len(body), chance.randrange(MOST_ROWS), 1)
    for tensor in (kept.numbers, kept.codes, kept.texts):
        assert np.all(tensor[:MOST_ROWS] == 77)
        assert np.all(tensor[2 * MOST_ROWS :] == 77)
    print(f"{taken} of {count} were taken")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
