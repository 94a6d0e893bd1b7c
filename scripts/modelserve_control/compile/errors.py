class CannotCompile(Exception):
    """The message is one sentence that names the estimator or the column."""


def refuse(model: object, why: str) -> CannotCompile:
    return CannotCompile(f"{type(model).__name__} {why}.")
