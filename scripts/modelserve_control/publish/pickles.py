"""An MLflow model from a pickle as programs leave one: an estimator, or a vectorizer or scaler and an estimator.

A pickle may run any code when it is opened, so a child process opens it, and only when it is trusted.
"""

from __future__ import annotations

import argparse
import pickletools
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from io import StringIO
from pathlib import Path
from typing import Any, Final

from modelserve.core.errors import BadSetting, VersionRefused
from modelserve.store.trust.environment import find_installed
from modelserve.store.trust.trusted_types import TRUSTED
from modelserve_control.batch.rows.inputs import find_inputs, steps_of
from modelserve_control.common.errors import SourceUnusable
from modelserve_control.common.mlflow_settings import silence  # before MLflow is imported, whose level of logs it sets
from modelserve_control.common.options import CSV, ENDINGS, JSON, JSON_LINES, PARQUET
from modelserve_control.common.progress import Progress
from modelserve_control.publish import environments, validation
from modelserve_control.publish.validate import describe_error, write_answer

# Of a pickle since protocol 2, and of what joblib compresses: zlib, gzip, bz2, xz, lzma and lz4.
ZLIB: Final = (b"x\x01", b"x^", b"x\x9c", b"x\xda")
STARTS: Final = (b"\x80", *ZLIB, b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"]\x00", b"\x04\x22M\x18")
SECONDS: Final = 600.0
VERSION_KEY: Final = b"_sklearn_version"  # scikit-learn writes it beside the attributes of each estimator
VERSION: Final = re.compile(rb".{1,16}?([0-9]+\.[0-9]+(?:\.[0-9]+)?(?:rc[0-9]+)?)", re.DOTALL)
PINNED: Final = ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "scipy")
# Looks at every file of the environment.
distributions_of_modules = cache(packages_distributions)


def import_pickle(pickle: Path, data: Path, out: Path, trust: str, progress: Progress) -> Mapping[str, Any]:
    """Write the model to the directory `out`, with the environment, signature and example that publishing needs.

    Raises ServeError."""
    if trust != "pickle":
        raise VersionRefused(
            f"{pickle.name} is a pickle, which may run any code when it is opened. If you trust who made it, add --trust pickle."
        )
    if out.exists():
        raise BadSetting(f"{out} exists already; name a new directory.")
    made = sklearn_version(pickle)
    python: Sequence[str] = (sys.executable,)
    if made not in (None, find_installed("scikit-learn")):
        progress.say(f"{pickle.name} was made with scikit-learn {made}")
        here = ".".join(platform.python_version_tuple()[:2])
        wanted = environments.Packages(here, (f"scikit-learn=={made}",), tuple(environments.own_requirements()))
        try:
            python = environments.build(wanted, progress)
        except environments.BuildFailed as error:
            raise SourceUnusable(
                f"{pickle.name} was made with scikit-learn {made}, which cannot be installed here: {error}"
            ) from error
    words = [str(pickle), str(data), str(out)]
    return validation.ask("modelserve_control.publish.pickles", words, SECONDS, python) | {"data": str(data)}


def sklearn_version(pickle: Path) -> str | None:
    """Read from the bytes, because nothing may be unpickled to learn it."""
    text = pickle.read_bytes()
    found = VERSION.match(text, place + len(VERSION_KEY)) if (place := text.find(VERSION_KEY)) >= 0 else None
    return found[1].decode() if found else None


def convert(pickle: Path, data: Path, out: Path) -> Mapping[str, Any]:
    """The child's part."""
    from pandas.api.types import is_numeric_dtype

    model = assemble(open_pickle(pickle), pickle.name)
    texts = find_inputs(model).texts
    table = read_table(data, texts)
    numbers = [name for name in texts if name in table and is_numeric_dtype(table[name])]
    rows = fit_columns(table, data.name, model)
    save(model, rows, out)
    form = "skops" if (out / "model.skops").exists() else "pickle"
    return {
        "path": str(out),
        "columns": list(rows),
        "texts": texts,
        "texts_as_numbers": numbers,
        "form": form,
        "model": type(model).__name__,
    }


def open_pickle(path: Path) -> Any:
    import joblib

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return joblib.load(path)
    except ModuleNotFoundError as error:
        raise SourceUnusable(
            f"{path.name} needs the Python module {error.name}; install it beside this kit."
        ) from error
    except AttributeError as error:
        raise SourceUnusable(
            f"{path.name} holds something of the program that made it: {error}. Put that into an installed package, or use "
            "what scikit-learn has, for example FunctionTransformer with a function of numpy."
        ) from error
    except Exception as error:  # opening a pickle may raise anything
        if not is_pickle(path):
            raise SourceUnusable(
                f"{path.name} is no pickle: name the file that your program wrote with pickle.dump or joblib.dump, and rows as --data."
            ) from error
        raise SourceUnusable(f"{path.name} cannot be opened as a pickle. {describe_error(error)}") from error


def is_pickle(path: Path) -> bool:
    """By its start, or for the first protocols, which are plain text, by all of its instructions."""
    with path.open("rb") as file:
        if file.read(6).startswith(STARTS):
            return True
        file.seek(0)
        try:
            pickletools.dis(file, StringIO())
        except Exception:  # it raises what its reading of the instructions does
            return False
    return True


def assemble(found: Any, name: str) -> Any:
    """One estimator that takes the raw columns."""
    from pandas.core.methods.to_dict import to_dict  # type: ignore[import-not-found]  # pandas-stubs leaves it out
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps = (
        list(found.values())
        if isinstance(found, Mapping)
        else list(found)
        if isinstance(found, (list, tuple))
        else [found]
    )
    before = [step for step in steps if hasattr(step, "transform") and not hasattr(step, "predict")]
    last = [step for step in steps if hasattr(step, "predict")]
    if len(last) != 1 or len(before) + 1 != len(steps):
        raise SourceUnusable(
            f"{name} holds {', '.join(type(step).__name__ for step in steps[:10]) or 'nothing'}. It must hold one estimator, alone "
            "or with the vectorizers and scalers that come before it."
        )
    chain = [*before, *steps_of(last[0])]
    if isinstance(chain[0], DictVectorizer):
        chain.insert(0, FunctionTransformer(to_dict, kw_args={"orient": "records"}))
    return last[0] if len(chain) == len(steps_of(last[0])) else make_pipeline(*chain)


def fit_columns(rows: Any, file: str, model: Any) -> Any:
    """A DataFrame of the columns that the model takes, in the types that it was fitted on."""
    inputs = find_inputs(model)
    names = inputs.choose([str(name) for name in rows], file)
    rows = rows[names]
    wanted = getattr(model, "n_features_in_", len(names))
    if not inputs.names and wanted != len(names):
        raise SourceUnusable(f"The model takes {wanted} columns, and {file} has {len(names)}: {', '.join(names)}.")
    for name in inputs.numbers:
        rows[name] = rows[name].astype(float)
    for name in inputs.texts:
        texts = rows[name].convert_dtypes().astype(str)  # a whole number with nulls beside it is 43, not 43.0
        rows[name] = texts if inputs.takes_dicts else texts.where(rows[name].notna())
    if unknown := inputs.find_unknown(dict(rows), file):
        raise SourceUnusable(" ".join(unknown))
    return rows


def read_table(path: Path, texts: Sequence[str]) -> Any:
    import pandas as pd

    types: Any = False if texts else {}
    readers = {
        PARQUET: lambda: pd.read_parquet(path),
        CSV: lambda: pd.read_csv(path, dtype=dict.fromkeys(texts, str)),
        JSON: lambda: pd.read_json(path, orient="records", dtype=types),
        JSON_LINES: lambda: pd.read_json(path, orient="records", lines=True, dtype=types),
    }
    kind = path.suffix.lower()
    if kind not in readers:
        raise BadSetting(f"{path.name} must be a {ENDINGS} file.")
    try:
        rows = readers[kind]()
    except Exception as error:  # pandas passes on what its readers raise
        raise SourceUnusable(f"{path.name} cannot be read. {describe_error(error)}") from error
    if not len(rows):
        raise SourceUnusable(f"{path.name} has no rows.")
    return rows


def save(model: Any, rows: Any, out: Path) -> None:
    import mlflow.sklearn
    import skops.io
    from mlflow.models import infer_signature

    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            predicted = model.predict(rows)
        except Exception as error:  # a model may raise anything
            empty = [f"{name} (row {rows[name].isna().argmax()})" for name in rows if rows[name].isna().any()]
            nulls = f" These columns have missing values: {', '.join(empty)}." if empty else ""
            raise SourceUnusable(f"The model does not score these rows. {describe_error(error)}{nulls}") from error
        form = trusted_form(model, skops.io)
        mlflow.sklearn.save_model(
            model,
            str(out),
            signature=infer_signature(rows, predicted),
            input_example=rows.head(5),
            pip_requirements=list(requirements(model, str(form["serialization_format"]))),
            **form,
        )


def trusted_form(model: Any, skops: Any) -> dict[str, Any]:
    """skops where strict functions trust all of its types, else a pickle."""
    try:
        types = skops.get_untrusted_types(data=skops.dumps(model))
    except Exception:  # skops does not know every object
        types = [""]
    if set(types) <= TRUSTED:
        return {"serialization_format": "skops", "skops_trusted_types": types}
    return {"serialization_format": "cloudpickle"}


def requirements(model: Any, form: str) -> Iterator[str]:
    modules = {type(step).__module__.partition(".")[0] for step in steps_of(model)} - {"sklearn", "__main__"}
    distributions = distributions_of_modules()
    packages = {name for module in modules for name in distributions.get(module, ())}
    for name in sorted({*PINNED, form, *packages}):
        yield f"{name}=={version(name)}"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="modelserve_control.publish.pickles")
    for name in ("answer", "pickle", "data", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(words)
    write_answer(given.answer, lambda: convert(given.pickle, given.data, given.out))


if __name__ == "__main__":
    main()
