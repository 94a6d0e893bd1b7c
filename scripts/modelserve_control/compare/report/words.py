"""A comparison, worded for a person at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelserve_control.compare.report.report import side, visible


def compared(result: Mapping[str, Any]) -> str:
    refused = result["refused"]
    lines = [f"A: {side(result['a'])}", f"B: {side(result['b'])}"]
    lines.append(
        f"{result['rows']:,} rows, {result['compared']:,} scored by both; refused by A only {refused['only_a']:,}, "
        f"by B only {refused['only_b']:,}, by both {refused['both']:,}"
    )
    for name, found in result["labels"].items():
        lines.append(f"{name}: {found['flips']:,} flips in {found['compared']:,} rows")
    for name, found in result["numbers"].items():
        greatest = found["greatest"]
        far = f", greatest {number(greatest['size'])} in row {greatest['row']}" if greatest else ""
        lines.append(f"{name}: mean difference {number(found['mean'])}, mean size {number(found['mean_size'])}{far}")
    lines += [
        f"{change['what']} differs{', which breaks callers' if change['breaking'] else ''}"
        for change in result["schema"]
    ]
    verdicts = {
        None: "no thresholds were given",
        True: "B is within the thresholds",
        False: "B is beyond the thresholds:",
    }
    lines += [verdicts[result["within"]], *map(breach, result["breaches"])]
    # A terminal obeys what a name tells it to do.
    return "\n".join(map(visible, lines))


def breach(found: Mapping[str, Any]) -> str:
    where = [str(found[key]) for key in ("segment", "output") if found[key] is not None]
    return f"  {', '.join([*where, found['limit']])}: {number(found['found'])}, allowed {number(found['allowed'])}"


def number(value: Any) -> str:
    """JSON has no infinity: null stands for it."""
    return "infinite" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
