"""How much B may differ from A: a YAML file of limits, and the limits that a comparison exceeds."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from modelserve.core.errors import BadSetting
from modelserve_control.common.options import read_yaml

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Size = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]

TARGET_LIMITS: Final = ("min_auc_gain", "max_rmse_ratio", "max_rmse")
NUMBER_LIMITS: Final = (
    "max_mean_difference",
    "max_mean_size",
    "max_p95_size",
    "max_p99_size",
    "max_size",
    "max_unmatched_ratio",
)
NO_LABELS: Final = "it judges labels, and these answers are numbers: use max_p99_size or max_mean_size"
NO_NUMBERS: Final = "it judges numbers, and these answers are labels: use max_flip_ratio"
NOT_MEASURED: Final = (
    "it could not be measured: min_auc_gain is for two classes, max_rmse and max_rmse_ratio for numbers"
)

Breach = dict[str, Any]
"""{"segment", "output", "limit", "allowed", "found", "reason"}; `segment` and `output` are None for all, `found` is
None where nothing was measured. `reason` says why, or what the figures of both sides are, and may be None."""


class OutputLimits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The limits of one output; None is no limit."""

    max_flip_ratio: Share | None = None
    max_mean_difference: Size | None = None
    max_mean_size: Size | None = None
    max_p95_size: Size | None = None
    max_p99_size: Size | None = None
    max_size: Size | None = None
    max_unmatched_ratio: Share | None = None


class RowLimits(OutputLimits, forbid_unknown_fields=True, kw_only=True):
    min_rows: Count | None = None
    max_refused_ratio: Share | None = None
    max_latency_ratio: Size | None = None


class Thresholds(RowLimits, forbid_unknown_fields=True, kw_only=True):
    schema: Literal["same", "compatible", "any"] = "any"
    outputs: dict[str, OutputLimits] = {}
    segments: RowLimits | None = None
    min_auc_gain: float | None = None
    max_rmse_ratio: Size | None = None
    max_rmse: Size | None = None


def read(path: Path | None, by: str | None, target: str | None = None) -> Thresholds | None:
    """`by` is the column of the segments, `target` that of the truth. Raises BadSetting that names the key."""
    if path is None:
        return None
    limits = read_yaml(path, Thresholds, "--thresholds")
    if limits.segments and by is None:
        raise BadSetting("The thresholds have limits for segments: name the column that makes them with --by.")
    if target is None and (given := [name for name in TARGET_LIMITS if getattr(limits, name) is not None]):
        raise BadSetting(f"{given[0]} is measured against the truth: name its column with --target.")
    return limits


def find_breaches(limits: Thresholds, result: Mapping[str, Any]) -> list[Breach]:
    found = list(check_rows(limits, result, None))
    changes = [change["what"] for change in result["schema"] if limits.schema == "same" or change["breaking"]]
    if limits.schema != "any" and changes:
        found.insert(0, breach(None, None, "schema", limits.schema, ", ".join(changes)))
    found += check_measurable(limits, result["labels"], result["numbers"])
    for name, own in limits.outputs.items():
        if name not in result["labels"] and name not in result["numbers"]:
            there = ", ".join([*result["labels"], *result["numbers"]])
            reason = f"there is no such output; there is {there}"
            found.append(breach(None, name, "outputs", "an output of this name", "none", reason))
        else:
            found += check_measurable(own, name in result["labels"], name in result["numbers"], name)
        found += check_output(own, result, name, None)
    found += check_target(limits, result.get("target"))
    if limits.segments:
        found += check_measurable(limits.segments, result["labels"], result["numbers"])
        for segment in result["segments"]:
            found += check_rows(limits.segments, segment, segment["value"])
    return found


def breach(
    segment: str | None, output: str | None, limit: str, allowed: Any, found: Any, reason: str | None = None
) -> Breach:
    names = {"segment": segment, "output": output, "limit": limit}
    return {**names, "allowed": allowed, "found": found, "reason": reason}


def check_measurable(limits: OutputLimits, labels: Any, numbers: Any, output: str | None = None) -> Iterator[Breach]:
    """A limit of what these answers do not have would be kept whatever they are: a gate that judges nothing is not passed."""
    absent = ([] if labels else [("max_flip_ratio", NO_LABELS)]) + (
        [] if numbers else [(limit, NO_NUMBERS) for limit in NUMBER_LIMITS]
    )
    for limit, reason in absent:
        if (allowed := getattr(limits, limit)) is not None:
            yield breach(None, output, limit, allowed, None, reason)


def check_rows(limits: RowLimits, result: Mapping[str, Any], segment: str | None) -> Iterator[Breach]:
    if limits.min_rows is not None and result["compared"] < limits.min_rows:
        # A small segment is not checked; too few rows in all are no comparison.
        if segment is None:
            yield breach(None, None, "min_rows", limits.min_rows, result["compared"])
        return
    more = result["refused"]["only_b"]
    yield from check_limit(limits.max_refused_ratio, more / result["rows"], (segment, None, "max_refused_ratio"))
    a, b = (result["latency"][side]["p95"] for side in ("a", "b"))
    if a and b:
        yield from check_limit(limits.max_latency_ratio, b / a, (segment, None, "max_latency_ratio"))
    for name in (*result["labels"], *result["numbers"]):
        yield from check_output(limits, result, name, segment)


def check_output(limits: OutputLimits, result: Mapping[str, Any], name: str, segment: str | None) -> Iterator[Breach]:
    if labels := result["labels"].get(name):
        yield from check_limit(limits.max_flip_ratio, labels["flip_ratio"], (segment, name, "max_flip_ratio"))
    if numbers := result["numbers"].get(name):
        sizes, greatest = numbers["size_quantiles"], numbers["greatest"]
        mean = numbers["mean"]
        unmatched = (numbers["only_a"] + numbers["only_b"]) / numbers["compared"] if numbers["compared"] else None
        for limit, value in (
            ("max_mean_difference", None if mean is None else abs(mean)),
            ("max_mean_size", numbers["mean_size"]),
            ("max_p95_size", sizes["0.95"]),
            ("max_p99_size", sizes["0.99"]),
            ("max_size", greatest and greatest["size"]),
            ("max_unmatched_ratio", unmatched),
        ):
            yield from check_limit(getattr(limits, limit), value, (segment, name, limit))


def check_target(limits: Thresholds, target: Mapping[str, Any] | None) -> Iterator[Breach]:
    """A figure that could not be measured breaches its limit: a gate that nothing was measured for is not passed."""
    gain, ratio = (target[key] if target else {} for key in ("gain", "ratio"))
    a, b = (target[side]["figures"] if target else {} for side in ("a", "b"))
    if limits.min_auc_gain is not None and not gain.get("auc", -math.inf) >= limits.min_auc_gain:
        yield target_breach("min_auc_gain", limits.min_auc_gain, gain.get("auc"), describe_gain("AUC", a, b, gain))
    for limit, allowed, value, sentence in (
        ("max_rmse_ratio", limits.max_rmse_ratio, ratio.get("rmse"), describe_ratio("RMSE", a, b, ratio)),
        ("max_rmse", limits.max_rmse, b.get("rmse"), None),
    ):
        if allowed is not None and (value is None or not value <= allowed):
            yield target_breach(limit, allowed, value, sentence)


def target_breach(limit: str, allowed: float, value: float | None, sentence: str | None) -> Breach:
    return breach(None, "target", limit, allowed, value, NOT_MEASURED if value is None else sentence)


def describe_gain(figure: str, *found: Mapping[str, float]) -> str | None:
    a, b, change = (one.get(figure.lower()) for one in found)
    if a is None or b is None or change is None:
        return None
    return f"B's {figure} is {abs(change):.3g} {'less' if change < 0 else 'greater'}: {b:.4g} beside {a:.4g}"


def describe_ratio(figure: str, *found: Mapping[str, float]) -> str | None:
    a, b, ratio = (one.get(figure.lower()) for one in found)
    if a is None or b is None or ratio is None:
        return None
    return f"B's {figure} is {100 * abs(ratio - 1):.3g} % {'less' if ratio < 1 else 'greater'}: {b:.4g} beside {a:.4g}"


def check_limit(
    allowed: float | None, found: float | None, where: tuple[str | None, str | None, str]
) -> Iterator[Breach]:
    if allowed is not None and found is not None and not found <= allowed:
        yield breach(*where, allowed, found)
