"""Columns that LightGBM and XGBoost were fitted on as pandas categories. A signature knows them as texts or numbers; here they
become categories again, those of the model. A value that is none of them is missing, as LightGBM has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelserve.core.errors import VersionUnusable


def find_categories(model: Any) -> dict[str, Sequence[Any]]:
    """The categories of each column, for a model or a Booster of the two libraries. Raises VersionUnusable where they are not
    known."""
    library = type(model).__module__.partition(".")[0]
    if library == "lightgbm":
        return lightgbm_categories(getattr(model, "booster_", model))
    if library == "xgboost":
        return xgboost_categories(model.get_booster() if hasattr(model, "get_booster") else model)
    return {}


def lightgbm_categories(booster: Any) -> dict[str, Sequence[Any]]:
    known = booster.pandas_categorical or []
    if not known:
        return {}
    infos = booster.model_to_string(num_iteration=1).partition("\nfeature_infos=")[2].partition("\n")[0].split(" ")
    # A range is of a number; none is of a column that no tree could use.
    names = [name for name, info in zip(booster.feature_name(), infos, strict=True) if not info.startswith("[")]
    used = [name for name, info in zip(booster.feature_name(), infos, strict=True) if info[0] not in "[n"]
    names = used if len(used) == len(known) else names
    if len(names) != len(known):
        raise unknown_categories()
    return dict(zip(names, known, strict=True))


def xgboost_categories(booster: Any) -> dict[str, Sequence[Any]]:
    names = [
        name
        for name, kind in zip(booster.feature_names or (), booster.feature_types or (), strict=False)
        if kind == "c"
    ]
    if not names:
        return {}
    try:
        known = dict(booster.get_categories(export_to_arrow=True).to_arrow())
    except (AttributeError, TypeError, ValueError):  # before 3.1 a model has only their number
        known = {}
    if any(known.get(name) is None for name in names):
        raise unknown_categories()
    return {name: known[name].to_pylist() for name in names}


def unknown_categories() -> VersionUnusable:
    return VersionUnusable(
        "The model was fitted on pandas categories that are not in its file. Fit it on numbers instead, for example behind an "
        "OrdinalEncoder in the same pipeline."
    )


def with_categories(frame: Any, categories: Mapping[str, Sequence[Any]]) -> Any:
    import pandas as pd

    columns = {}
    for name in categories.keys() & set(frame.columns):
        known = pd.Index(categories[name])
        columns[name] = pd.Categorical.from_codes(known.get_indexer(frame[name]), known)  # -1, missing, for others
    return frame.assign(**columns)
