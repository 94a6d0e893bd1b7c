"""How a version answers: the label, and for a classifier its positive class and threshold."""

from collections.abc import Mapping
from typing import Any

from modelserve.core.errors import BadSetting


def build_presentation(positive_class: str | None, threshold: float | None, label: str | None) -> Mapping[str, Any]:
    """Raises BadSetting."""
    if threshold is not None and positive_class is None:
        raise BadSetting("--threshold needs --positive-class, whose probability it is compared with.")
    if label is not None:
        check_label(label)
    if positive_class is not None and threshold is None:
        threshold = 0.5
    given = {"positive_class": positive_class, "threshold": threshold, "label": label}
    return {key: value for key, value in given.items() if value is not None}


def check_label(label: str) -> None:
    from modelserve_control.batch.rows.columns import OWN_COLUMNS, reserved_label_message

    if not label.strip():
        raise BadSetting("--label is empty: name the answer, for example churn, or leave the option out.")
    if label in OWN_COLUMNS:
        raise BadSetting(reserved_label_message(label))
