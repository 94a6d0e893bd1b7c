"""A null is a category of its own, also among numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor

from proving import prove


@pytest.mark.parametrize("columns", [["whole", "null"], ["null", "whole"]])
@pytest.mark.parametrize(
    "encoder", [OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), OneHotEncoder()]
)
def test_a_null_is_a_category_of_each_column_of_numbers_that_has_it(
    encoder: OrdinalEncoder | OneHotEncoder, columns: list[str]
) -> None:
    random = np.random.default_rng(1)
    table = pd.DataFrame(
        {"whole": random.choice([-3.0, 0.0, 7.0], 200), "null": random.choice([0.5, np.nan, 7.0], 200)}
    )
    target = table["whole"] + table["null"].fillna(30)
    prove(make_pipeline(make_column_transformer((encoder, columns)), DecisionTreeRegressor()), table, target, rows=300)
