"""The child process of publishing: `python -m modelserve_control.publish.validate ANSWER DIRECTORY [--data FILE]`.

It loads the model with the policy and the runtime of the server, scores the sample with every method, and writes the
result or the error as JSON to the file ANSWER.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from modelserve.core.errors import Body, EnvironmentMismatch, MalformedRequest, ServeError, body
from modelserve.core.memory import collect_seldom
from modelserve.models.native.load import load_runtime
from modelserve.models.native.runtime import NativeRuntime
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import RowsMismatch, score_rows
from modelserve.models.warmup import dependence
from modelserve.payloads import Payload
from modelserve.payloads.predictions import encode, jsonable
from modelserve.schema.batch import Table, take_rows
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve.store.trust import policy
from modelserve.store.trust.environment import differences, find_installed
from modelserve.store.trust.mlmodel import ModelConfig
from modelserve_control.batch.rows.inputs import find_inputs
from modelserve_control.common.errors import NoSignature, NotCompiled, NotMerged, ValidationFailed
from modelserve_control.monitor.profiles import write_profile
from modelserve_control.publish import sample
from modelserve_control.publish.schemas.inference import read_columns, write_signature

# Of the sample; they are scored together, in reverse order, in halves and one by one.
PROOF_ROWS: Final = 20
# A sample of one row is repeated, because only several rows show that each gets an answer.
REPEATED: Final = [0, 0, 0]
READS_NAMES: Final = (
    "A text step read the table instead of its column. Put it inside a ColumnTransformer that names the column without "
    'brackets: ColumnTransformer([("text", TfidfVectorizer(), "NAME")]).'
)
DROPS_ROWS: Final = (
    "A step drops rows. Fill missing values in its place, for example with SimpleImputer, or drop rows before fitting."
)
READS_DICTS: Final = (
    "A DictVectorizer that is not the first step gets a table. Put FunctionTransformer(to_dict, "
    'kw_args={"orient": "records"}) before it, with to_dict from pandas.core.methods.to_dict.'
)
HAS_CATEGORIES: Final = (
    "MLflow hands a Booster of XGBoost no categories. Log the XGBClassifier or XGBRegressor instead, or fit the Booster on "
    "numbers."
)
OTHER_ROWS: Final = "A version must give one answer for each row."
# By what is in the message of the model's exception.
ADVICE: Final[Mapping[str, str]] = {
    "'str' object has no attribute 'items'": READS_DICTS,
    "enable_categorical": HAS_CATEGORIES,
}
# Values that a model may get in a column of the type.
PLACEHOLDERS: Final[Mapping[str, Any]] = {
    "boolean": True,
    "integer": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "string": "a",
    "datetime": "2024-01-01T00:00:00",
    "binary": "YQ==",
}


def validate(
    directory: Path, data: Path | None, trust: str, mode: str = "never", merge: str = "auto"
) -> dict[str, Any]:
    """See `modelserve_control.publish.validation.ValidationResult`. `mode` is publish's --compile, `merge` its --merge.

    Raises ServeError.
    """
    config = policy.check(directory, trust)
    warnings = check_training_environment(config.environment)
    signature = from_mlmodel(config.signature)
    inferred = signature is None
    if signature is None:
        signature = infer_signature(directory, data, config)
    runtime = load_runtime(directory, config, signature)
    payload = sample.read(data, signature) if data else sample.input_example(directory, signature)
    reason, merges = None, None
    if payload:
        reason = score(runtime, signature, payload)
        columns = signature.check(payload.table).columns
        warnings += find_inputs(getattr(runtime, "estimator", None)).find_unknown(columns, "the sample")
        merges = False if reason else True if payload.table.rows > 1 else None
    else:
        score_placeholders(runtime, signature)
        warnings.append("there is neither an input example nor --data, so the model was loaded but not scored")
    if reason is not None:
        if merge == "require":
            raise NotMerged(f"Requests to this model cannot be merged: {reason}")
        warnings.append(f"each request is scored by itself: {reason}")
    if data and payload:
        write_profile(directory, signature.check(payload.table), runtime, signature.check_params({}))
    native = {"kind": "native"} | ({} if merges is None else {"merges": merges})
    described, reason = compile_runtime(directory, runtime, signature, payload, config.predict_fn, mode, native)
    return {
        "runtime": described,
        "not_compiled": reason,
        "signature": signature.raw,
        "methods": runtime.methods,
        "classes": runtime.classes,
        "environment": config.environment,
        "sample": sample.records(payload.table) if payload else [],
        "inferred": inferred,
        "warnings": warnings,
    }


def check_training_environment(environment: Mapping[str, Any]) -> list[str]:
    """The differences that are too small to matter. Raises EnvironmentMismatch for others."""
    found = differences(environment, platform.python_version(), find_installed)
    sentences = [f"made with {one.package} {one.made}, this environment has {one.here or 'none'}" for one in found]
    if any(one.serious for one in found):
        raise EnvironmentMismatch(
            f"The model was {'; '.join(sentences)}. Publish it from the environment that it was trained in: "
            'pip install "/path/to/modelserve[publish]" there, and run this command.'
        )
    return sentences


def compile_runtime(
    directory: Path,
    runtime: Runtime,
    signature: Signature,
    payload: Payload | None,
    predict_fn: str,
    mode: str,
    native: Mapping[str, Any],
) -> tuple[Mapping[str, Any], str | None]:
    """The runtime for the manifest, and the reason if it is native although the compiled one was requested."""
    if mode == "never" or not isinstance(runtime, NativeRuntime):
        return native, None
    if native.get("merges") is False:
        if mode == "require":
            raise NotCompiled("The model does not compile. The answer to a row depends on other rows of the request.")
        return native, "The answer to a row depends on other rows of the request."
    from modelserve_control.compile import CannotCompile
    from modelserve_control.publish.compiling import add_compiled

    batch = signature.check(payload.table) if payload else None
    try:
        return add_compiled(directory, runtime, signature, batch, predict_fn), None
    except CannotCompile as error:
        if mode == "require":
            raise NotCompiled(f"The model does not compile. {error}") from error
        return native, str(error)


def score(runtime: Runtime, signature: Signature, payload: Payload) -> str | None:
    """Score the first rows with every method, and check for one JSON answer per row.

    Returns the reason if requests must not be merged, else None.
    """
    batch = sample.check(payload.table, signature)
    if not batch.rows:
        raise MalformedRequest("The sample has no rows.")
    first = take_rows(batch, range(min(batch.rows, PROOF_ROWS)) if batch.rows > 1 else REPEATED)
    params = signature.check_params({})
    try:
        outputs = score_rows(runtime, first, runtime.methods, params)
        for output in outputs.values():
            encode(jsonable(output))
    except RowsMismatch as error:
        raise row_count_error(error, " of its sample" if batch.rows > 1 else "") from error
    except ServeError:
        raise
    except Exception as error:  # a model may raise anything
        raise sample_error(error) from error
    return dependence(runtime, first, outputs, params) or null_row_dependence(runtime, signature, payload.table, params)


def sample_error(error: Exception) -> ValidationFailed:
    advice = [text for sign, text in ADVICE.items() if sign in str(error)]
    return ValidationFailed(" ".join([f"The model does not score its sample: {describe_error(error)}", *advice]))


def row_count_error(error: RowsMismatch, rows: str = "") -> ValidationFailed:
    advice = OTHER_ROWS
    if error.missing is not None and error.missing > 0:
        advice = READS_NAMES if error.answers == 1 else DROPS_ROWS
    return ValidationFailed(f"{error.message[:-1]}{rows}. {advice}")


def score_placeholders(runtime: Runtime, signature: Signature) -> None:
    """Without a sample, check only the number of answers, and only if the model accepts the placeholders."""
    names = {column.name: column.kind.name for column in signature.columns}
    if not names or not set(names.values()) <= PLACEHOLDERS.keys():
        return
    table = Table({name: [PLACEHOLDERS[kind]] * len(REPEATED) for name, kind in names.items()}, len(REPEATED))
    try:
        score_rows(runtime, signature.check(table), runtime.methods, signature.check_params({}))
    except RowsMismatch as error:
        raise row_count_error(error) from error
    except Exception:  # a model may reject placeholders
        return


def null_row_dependence(runtime: Runtime, signature: Signature, table: Table, params: Mapping[str, Any]) -> str | None:
    """The reason if requests must not be merged, because a row with nulls in all optional columns gets no answer."""
    optional = {column.name for column in signature.columns if not column.required}
    if not optional:
        return None
    rows = range(min(table.rows, PROOF_ROWS))
    columns = {
        name: [values[row] for row in rows] + [None if name in optional else values[0]]
        for name, values in table.columns.items()
    }
    try:
        score_rows(runtime, signature.check(Table(columns, len(rows) + 1)), runtime.methods, params)
    except RowsMismatch as error:
        return f"{error.message[:-1]} when a row has nulls; such a row will get no answer."
    except Exception:  # a request with such a row gets an error, which is not a wrong answer
        return None
    return None


def infer_signature(directory: Path, data: Path | None, config: ModelConfig) -> Signature:
    """Infer the signature from the sample and its predictions, and write it to the MLmodel of the copy."""
    if data is None:
        raise NoSignature(
            "The model has no signature, so requests could not be checked: save it with "
            "signature=infer_signature(X, y), or publish it with --data FILE, from which one is inferred."
        )
    runtime = load_runtime(directory, config, None)
    batch = read_columns(data, getattr(runtime, "estimator", None))
    try:
        predicted = runtime.score(batch, runtime.methods[:1], {})[runtime.methods[0]]
    except Exception as error:  # a model may raise anything
        raise sample_error(error) from error
    written = write_signature(directory, batch, predicted)
    signature = from_mlmodel(written)
    if signature is None:
        raise NoSignature("The sample has no columns from which a signature could be inferred.")
    return signature


def describe_error(error: BaseException) -> str:
    """The exception and the first line of its message. The publisher owns the model and the sample, so it may see both."""
    lines = str(error).strip().splitlines()
    if not lines:
        return f"{type(error).__name__}."
    return f"{type(error).__name__}: {lines[0]}{'' if lines[0].endswith(('.', '!', '?')) else '.'}"


def full_message(error: ServeError) -> str:
    """With the cause, which a server does not reveal but a publisher needs."""
    cause = error.__cause__
    if cause is None or isinstance(cause, ServeError) or type(cause).__name__ not in error.message:
        return error.message
    described = describe_error(cause)
    return error.message if described in error.message else f"{error.message} {described}"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="modelserve_control.publish.validate")
    parser.add_argument("answer", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--trust", default="strict")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--compile", default="never", choices=["auto", "require", "never"])
    parser.add_argument("--merge", default="auto", choices=["auto", "require"])
    given = parser.parse_args(words)
    write_answer(given.answer, lambda: validate(given.directory, given.data, given.trust, given.compile, given.merge))


def write_answer(path: Path, run: Callable[[], Mapping[str, Any]]) -> None:
    """Its result or its error, for the process that started this one."""
    collect_seldom()
    answer: Mapping[str, Any] | Body
    try:
        answer = run()
    except ServeError as error:
        answer = body(error, "") | {"message": full_message(error)}
    path.write_text(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
