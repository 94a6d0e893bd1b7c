"""The types beyond skops' own that a model may name under MODEL_TRUST=strict, each group with why it is safe.

skops loads an untrusted file in a way that any trusted name may be called with any arguments the file holds, made of
other trusted types (its ListNode and ConstructorFromReduceNode). So a name is here only if calling it can compute, but
never import, look up, open a connection or run text. That excludes `functools.partial`, `operator.*`, `builtins.*`,
`numpy.load`, user functions, and any class that calls what it is given while it is made.

What this cannot exclude: a crafted tree or index may crash the process, as none of these check every number in them.
The digests are there for that. A test makes the usual scikit-learn models and compares.
"""

from __future__ import annotations

from typing import Final

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    # Made from a string or a list of fields; has no state of its own. SimpleImputer and KBinsDiscretizer keep one.
    "dtypes": ("numpy.dtype",),
    # Arrays of numbers behind a fixed layout, which __setstate__ checks.
    "fitted trees": (
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.cluster._bisect_k_means._BisectingTree",
    ),
    # Arrays of numbers, and the distance between two rows of them. The Python-callable distance is not among them.
    "neighbour indexes": (
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neighbors._ball_tree.BallTree",
        *(
            f"sklearn.metrics._dist_metrics.{metric}Distance64"
            for metric in ("Chebyshev", "Euclidean", "Hamming", "Manhattan", "Minkowski", "SEuclidean")
        ),
    ),
    # Plain attributes; what they hold goes through the same list.
    "holders": (
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.utils._bunch.Bunch",
        # Of models from scikit-learn 1.5 to 1.7: which arguments of fit are passed on.
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
    ),
    # A list of columns that warns when it is read. Later versions of scikit-learn do not have it.
    "scikit-learn 1.5 and 1.6": ("sklearn.compose._column_transformer._RemainderColsList",),
    # Closed formulas over arrays.
    "formulas": (
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        *(
            f"sklearn.gaussian_process.kernels.{kernel}"
            for kernel in ("ConstantKernel", "DotProduct", "Matern", "Product", "RBF", "RationalQuadratic", "Sum")
        ),
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    ),
    # A DataFrame as records, which is what a DictVectorizer takes. It rearranges what it is given; the mapping it makes
    # is a type from this list or from skops' own.
    "records": ("pandas.core.methods.to_dict.to_dict",),
    # What a search leaves behind besides its best model: numbers of folds and a seed.
    "splitters": (
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
    ),
    # MLflow's own list for LightGBM (mlflow/lightgbm/__init__.py). A Booster's state is the text of its trees, which
    # LightGBM's parser reads; made with a file name it reads that file as trees, and can do no more with it.
    "lightgbm": (
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
    ),
}

TRUSTED: Final = frozenset(name for group in GROUPS.values() for name in group)
