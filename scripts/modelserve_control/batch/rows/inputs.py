"""What a fitted scikit-learn model knows of the columns that it takes: their names, and the values that it was fitted on.

A DictVectorizer or an encoder that was fitted on the text "43" gives the number 43 the answer of an unknown category, and
says nothing. So a sample must have texts there, whatever its file makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from modelserve.models.version import Loaded
from modelserve_control.common.errors import SourceUnusable
from modelserve_control.common.output import texts_advice

ENCODERS: Final = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
MADE_UP: Final = re.compile(r"Column_\d+")  # LightGBM names columns so that had no names


@dataclass(frozen=True)
class Inputs:
    """`names` is empty where the model does not say. `categories` has the values of a column that the model knows: texts, or
    the numbers of an encoder. A DictVectorizer adds the `numbers` as they are."""

    names: tuple[str, ...] = ()
    categories: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    takes_dicts: bool = False

    @property
    def texts(self) -> list[str]:
        return [name for name, known in self.categories.items() if all(isinstance(value, str) for value in known)]

    def choose(self, given: Collection[str], file: str) -> list[str]:
        """The columns of a file that the model takes, in the order that it asks for. Raises SourceUnusable if one is not there."""
        if missing := [name for name in self.names if name not in given]:
            raise SourceUnusable(
                f"The model takes {', '.join(missing[:20])}, which {file} lacks; it has {', '.join(given)}. Put into "
                f"{file} what your program hands to the model."
            )
        if not self.names:
            return list(given)
        return [name for name in given if name in self.names] if self.takes_dicts else list(self.names)

    def find_unknown(self, columns: Mapping[str, Any], file: str) -> list[str]:
        """A sentence for each column without any value that the model knows. Nulls do not count."""
        found = []
        for name, known in self.categories.items():
            values = values_of(columns[name]) if name in columns else frozenset()
            if values and not values & known:
                example = min(known, key=lambda value: (str(type(value)), value))
                sentence = f"No value of {name} in {file} is one that the model knows, such as {example!r}."
                found.append(" ".join([sentence, *fraction_advice(name, values, known)]))
        texts = [name for name in sorted(self.numbers & columns.keys()) if has_texts(columns[name])]
        return [*found, *(f"The model takes numbers for {name}, and {file} has texts." for name in texts)]


def fraction_advice(name: str, values: Collection[Any], known: Collection[Any]) -> list[str]:
    """What to do about whole numbers that pandas has read and written as floats, since there are nulls among them."""
    texts = sorted(str(value) for value in values)
    text = next((one for one in texts if one.endswith(".0") and one.removesuffix(".0") in known), None)
    return [f"It has {text!r} for {text.removesuffix('.0')!r}: {texts_advice([name])}"] if text else []


def values_of(array: Any) -> frozenset[Any]:
    """Without nulls, as Python values."""
    import pandas as pd

    return frozenset(pd.Series(array).dropna().unique().tolist())


def has_texts(array: Any) -> bool:
    return any(isinstance(value, str) for value in values_of(array))


def find_inputs(model: Any) -> Inputs:
    steps = steps_of(getattr(getattr(model, "best_estimator_", model), "regressor_", model))
    if steps and type(steps[0]).__name__ == "FunctionTransformer" and is_to_dict(steps[0].func):
        steps = steps[1:]
    if steps and type(steps[0]).__name__ == "DictVectorizer":
        return vectorizer_inputs(steps[0])
    names = used_names(steps[0]) if steps else []
    names = names or [str(name) for name in getattr(model, "feature_names_in_", ())]
    if all(MADE_UP.fullmatch(name) for name in names):
        return Inputs()
    return Inputs(tuple(names), {name: known for name, known in find_categories(steps, names) if known})


def known_texts(loaded: Loaded) -> Mapping[str, Sequence[str]]:
    """The categories of each column of texts. A compiled version has them beside it, the estimator of a native one knows them."""
    if loaded.categories:
        return loaded.categories
    inputs = find_inputs(getattr(loaded.runtime, "estimator", None))
    return {name: sorted(inputs.categories[name]) for name in inputs.texts}


def is_to_dict(function: Any) -> bool:
    return getattr(function, "__name__", "") == "to_dict"


def vectorizer_inputs(vectorizer: Any) -> Inputs:
    columns: dict[str, set[str]] = {}
    for feature in vectorizer.feature_names_:
        name, separator, category = feature.partition(vectorizer.separator)
        columns.setdefault(name, set()).update([category] if separator else [])
    categories = {name: frozenset(known) for name, known in columns.items() if known}
    return Inputs(tuple(columns), categories, frozenset(columns.keys() - categories.keys()), takes_dicts=True)


def steps_of(model: Any) -> list[Any]:
    model = getattr(model, "best_estimator_", model)
    return [step for _, step in getattr(model, "steps", [("", model)])]


def used_names(step: Any) -> list[str]:
    """Of a ColumnTransformer: not those that it drops, which need not be there."""
    used = {name for part in column_parts(step) for name in part[1]}
    return [name for name in getattr(step, "feature_names_in_", ()) if name in used]


def column_parts(step: Any) -> Iterator[tuple[Any, list[str]]]:
    """The transformers of a ColumnTransformer and their columns. None of one that was not fitted on names."""
    names = getattr(step, "feature_names_in_", None)
    if names is None or type(step).__name__ != "ColumnTransformer":
        return
    for part, transformer, _ in step.transformers_:
        places = step._transformer_to_input_indices.get(part, ())
        if len(places) and not (isinstance(transformer, str) and transformer == "drop"):
            yield transformer, [str(names[place]) for place in places]


def find_categories(steps: Sequence[Any], names: Sequence[str]) -> Iterator[tuple[str, frozenset[Any]]]:
    """Of the columns `names`, which the first of the steps takes."""
    for step in steps:
        if type(step).__name__ in ENCODERS and len(step.categories_) == len(names):
            yield from zip(names, map(values_of, step.categories_), strict=True)
        for transformer, columns in column_parts(step):
            yield from find_categories(steps_of(transformer), columns)
        if type(step).__name__ != "SimpleImputer":  # which leaves the values as they are
            return
