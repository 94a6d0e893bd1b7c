from collections.abc import Mapping
from typing import Any

from modelserve_control.common.output import format_breach, format_number
from modelserve_control.compare.report.sections import side_name
from modelserve_control.report.sections import make_printable


def format_result(result: Mapping[str, Any]) -> str:
    refused = result["refused"]
    lines = [f"A: {side_name(result['a'])}", f"B: {side_name(result['b'])}"]
    lines.append(
        f"{result['rows']:,} rows, {result['compared']:,} scored by both; refused by A only {refused['only_a']:,}, "
        f"by B only {refused['only_b']:,}, by both {refused['both']:,}"
    )
    for name, found in result["labels"].items():
        lines.append(f"{name}: {found['flips']:,} flips in {found['compared']:,} rows")
    for name, found in result["numbers"].items():
        greatest = found["greatest"]
        far = f", greatest {format_number(greatest['size'])} in row {greatest['row']}" if greatest else ""
        lines.append(
            f"{name}: mean difference {format_number(found['mean'])}, mean size {format_number(found['mean_size'])}{far}"
        )
    for name, a in (result["target"] or {}).get("a", {}).get("figures", {}).items():
        b = result["target"]["b"]["figures"].get(name)
        lines.append(f"{result['target']['column']}, {name}: A {format_number(a)}, B {format_number(b)}")
    lines += [
        f"{change['what']} differs{', which breaks callers' if change['breaking'] else ''}"
        for change in result["schema"]
    ]
    verdicts = {
        None: "no thresholds were given",
        True: "B is within the thresholds",
        False: "B exceeds the thresholds:",
    }
    lines += [verdicts[result["within"]], *(f"  {format_breach(one)}" for one in result["breaches"])]
    # A name may contain control sequences, which a terminal would execute.
    return "\n".join(map(make_printable, lines))
