"""The types that a model may name under MODEL_TRUST=strict, besides those that skops trusts by itself.

To trust one more type, add it to a group of `GROUPS`, with the reason why calling it is safe. A skops file can call a
trusted type with any arguments of trusted types (ListNode, ConstructorFromReduceNode). So calling a type must only
compute, and never import, look up a name, open a connection, run text or call its arguments. That excludes
`functools.partial`, `operator.*`, `builtins.*`, `numpy.load` and user functions.

A crafted tree or index can still crash the process, because these types do not check all of their numbers; the digests of
the manifest protect against that. A test compares the types of the usual scikit-learn models with this list.
"""

from typing import Final

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    # Made from a string or a list of fields, without further state. SimpleImputer and KBinsDiscretizer have one.
    "dtypes": ("numpy.dtype",),
    # Arrays of numbers in a fixed layout, which __setstate__ checks.
    "fitted trees": (
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.cluster._bisect_k_means._BisectingTree",
    ),
    # Arrays of numbers and a distance between two rows. The distance that is a Python callable is not included.
    "neighbour indexes": (
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neighbors._ball_tree.BallTree",
        *(
            f"sklearn.metrics._dist_metrics.{metric}Distance64"
            for metric in ("Chebyshev", "Euclidean", "Hamming", "Manhattan", "Minkowski", "SEuclidean")
        ),
    ),
    # Objects with attributes, whose types must be trusted too.
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
    # Formulas over arrays.
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
    # A DataFrame as records, the input of a DictVectorizer. It rearranges its input into a mapping of a trusted type.
    "records": ("pandas.core.methods.to_dict.to_dict",),
    # In a search, besides its best model: the number of folds and a seed.
    "splitters": (
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
    ),
    # MLflow's own list for LightGBM (mlflow/lightgbm/__init__.py). A Booster's state is the text of its trees, which
    # LightGBM parses. Given a file name, it reads that file as trees and does nothing else with it.
    "lightgbm": (
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
    ),
}

TRUSTED: Final = frozenset(name for group in GROUPS.values() for name in group)
