"""The reason why a model stays native."""

from __future__ import annotations


class CannotCompile(Exception):
    """`reason` is one sentence that names the estimator or the column."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse(model: object, why: str) -> CannotCompile:
    return CannotCompile(f"{type(model).__name__} {why}.")
