"""Compare both forms of a model on the same rows, and refuse the compiled form if a difference is too great."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from modelserve.payloads.predictions import plain
from modelserve.schema.batch import Batch, one_row
from modelserve.schema.signature import Signature
from modelserve_control.compile.compiler import TOLERANCE, CompiledModel
from modelserve_control.compile.onnx.graph import Array
from modelserve_control.compile.verify.scoring import MethodOutputs, Session, score_original

# Closer scores differ only by the order of summation, so both labels are right.
TIE: Final = 1e-12
# If a batch raises, at most this many of its rows are scored one by one.
MAX_SINGLE_ROWS: Final = 200


@dataclass(slots=True)
class Report:
    rows: int = 0
    greatest_difference: float = 0.0
    """The maximum over all values of the lesser of absolute and relative difference."""
    flips: int = 0
    ties: int = 0
    """Labels that differ although both forms have equal scores within TIE; they do not count as flips."""
    refused: int = 0
    """Rows for which both forms raise."""
    mismatch: str | None = None
    tolerance: float = TOLERANCE


@dataclass(slots=True)
class Comparison:
    model: Any
    signature: Signature
    compiled: CompiledModel
    session: Session
    report: Report
    methods: list[str]

    def compare(self, batch: Batch, what: str) -> None:
        native = attempt(lambda rows: score_original(self.model, self.signature, rows, self.methods), batch)
        made = attempt(self.session.score, batch)
        in_order = attempt(self.session.score_in_order, batch)
        if not are_identical(in_order, attempt(self.session.score_by_column, batch)):
            self._refuse(f"{what}: the packed graph and its source graph give different answers.")
        for methods in self.session.served.smaller:
            part = attempt(partial(self.session.score, methods=methods), batch)
            if not are_identical(part, made and {name: made[name] for name in methods}):
                self._refuse(f"{what}: the smaller graph for {' and '.join(methods)} gives different answers.")
        if native is not None and made is not None:
            self._compare_outputs(native, made, batch, what)
        elif batch.rows > 1:
            for row in range(min(batch.rows, MAX_SINGLE_ROWS)):
                self.compare(one_row(batch, row), f"{what}, row {row}")
        elif native is None and made is None:
            self.report.refused += 1
            self.report.rows += 1
        else:
            self._refuse(
                f"{what}: the {'compiled form' if native is None else 'model'} gives an answer and the other form raises."
            )

    def _compare_outputs(self, native: MethodOutputs, made: MethodOutputs, batch: Batch, what: str) -> None:
        self.report.rows += batch.rows
        for method in self.methods:
            if native[method].shape != made[method].shape:
                self._refuse(
                    f"{what}: {method} gives an array of shape {list(made[method].shape)} compiled and of {list(native[method].shape)} in the model."
                )
            elif native[method].dtype.kind in "OUiub":
                self._compare_labels(native, made, method, what)
            else:
                self._compare_numbers(native[method], made[method], method, what)

    def _compare_numbers(self, native: Array, made: Array, method: str, what: str) -> None:
        difference = differences(native.astype(float), made.astype(float))
        if not difference.size:
            return
        self.report.greatest_difference = max(self.report.greatest_difference, float(difference.max()))
        if difference.max() > self.report.tolerance:
            place = np.unravel_index(difference.argmax(), difference.shape)
            column = f", column {place[1]}" if len(place) > 1 else ""
            self._refuse(f"{what}: {method} of row {place[0]}{column} is {plain(made[place])!r} compiled and {plain(native[place])!r} in the model.")  # fmt: skip

    def _compare_labels(self, native: MethodOutputs, made: MethodOutputs, method: str, what: str) -> None:
        wrong = np.flatnonzero(native[method] != made[method])
        for row in wrong:
            if any(is_tie(native[name][row], made[name][row]) for name in self.methods if name != method):
                self.report.ties += 1
                continue
            self.report.flips += 1
            self._refuse(f"{what}: {method} of row {row} is {plain(made[method][row])!r} compiled and {plain(native[method][row])!r} in the model.")  # fmt: skip

    def _refuse(self, sentence: str) -> None:
        self.report.mismatch = self.report.mismatch or sentence[0].upper() + sentence[1:]


def attempt(score: Callable[[Batch], MethodOutputs], batch: Batch) -> MethodOutputs | None:
    try:
        return score(batch)
    except Exception:  # a model may raise anything, and the errors of ONNX Runtime share no base class
        return None


def are_identical(one: MethodOutputs | None, other: MethodOutputs | None) -> bool:
    """Bit by bit, because both graphs do the same computation."""
    if one is None or other is None:
        return one is other
    return all(
        np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in one.keys() | other.keys()
    )


def differences(native: Array, made: Array) -> Array:
    """The lesser of absolute and relative difference; 0 if both are NaN or the same infinity."""
    same = (native == made) | (np.isnan(native) & np.isnan(made))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        apart = np.abs(native - made)
        least = np.minimum(apart, apart / np.abs(native))
    return np.where(same, 0.0, np.where(np.isnan(least), np.inf, least))


def is_tie(native: Any, made: Any) -> bool:
    """Whether neither form's scores decide the label: the two highest are equal, or a single score is zero."""
    return all(margin(np.asarray(scores, dtype=float)) <= TIE for scores in (native, made))


def margin(scores: Array) -> float:
    if scores.ndim == 0:
        return abs(float(scores))
    first, second = np.sort(scores)[-2:][::-1]
    return float(first - second)


def verify(
    model: Any,
    signature: Signature,
    compiled: CompiledModel,
    batches: Iterable[tuple[str, Batch]],
    tolerance: float | None = None,
) -> Report:
    """`batches` are named ("the sample", "nulls in x"). The tolerance is that of the compiled model if none is given. The verification ends at the first mismatch."""
    report = Report(tolerance=compiled.tolerance if tolerance is None else tolerance)
    methods = [output.name for output in compiled.outputs]
    try:
        session = Session(compiled)
    except Exception as error:  # ONNX Runtime's errors share no base class
        report.mismatch = f"ONNX Runtime does not load the compiled form: {error}"
        return report
    comparison = Comparison(model, signature, compiled, session, report, methods)
    for what, batch in batches:
        comparison.compare(batch, what)
        if report.mismatch:
            break
    if not report.rows and not report.mismatch:
        report.mismatch = "There were no rows to compare."
    return report
