"""The policy: a YAML file that says when to train, with which command, and what the new version has to pass."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.options import read_yaml
from modelserve_control.deploy.release.options import ReleaseOptions
from modelserve_control.publish.presentation import build_presentation
from modelserve_control.retrain.decide import Count, DriftRule, ErrorRule, Rules

Window = Literal["hour", "day", "week", "month"]
Files = Annotated[list[str], Meta(min_length=1)]
MODEL: Final = "{model}"
DATA: Final = "{data}"
OPTION: Final = re.compile(r"--[a-z-]+")


@dataclass(frozen=True, kw_only=True)
class ErrorSection(ErrorRule):
    """Labels joined with the prediction log by `key`, or `data`: rows with their truth and their `time`."""

    target: str
    window: Window = "day"
    log: Files | None = None
    labels: Files | None = None
    key: str | None = None
    data: Files | None = None
    time: str | None = None


@dataclass(frozen=True, kw_only=True)
class DriftSection(DriftRule):
    data: Files
    time: str | None = None
    window: Window = "day"


@dataclass(frozen=True, kw_only=True)
class PublishSection:
    label: str | None = None
    positive_class: str | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    compile: Literal["auto", "require", "never"] = "auto"
    merge: Literal["auto", "require"] = "auto"


@dataclass(frozen=True, kw_only=True)
class ReleaseSection:
    """The options of `modelserve release` of these names, with their defaults and ranges."""

    data: str
    thresholds: str
    target: str | None = None
    by: str | None = None
    urls: tuple[str, ...] = ()
    arrive: Annotated[float, Meta(ge=1, le=3_600)] = 120.0
    watch: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    max_error_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.0
    token_command: str | None = None
    shadow: Annotated[float, Meta(ge=1, le=604_800)] | None = None
    shadow_subscription: str | None = None
    shadow_answers: Count = 100


@dataclass(frozen=True, kw_only=True)
class Policy(Rules):
    """`train` is a command in words, `data` the file that it trains on."""

    train: Files
    data: str
    release: ReleaseSection
    publish: PublishSection = field(default_factory=PublishSection)
    error: ErrorSection | None = None
    drift: DriftSection | None = None


def read_policy(path: Path) -> Policy:
    """Raises BadSetting."""
    policy = read_yaml(path, Policy, "--policy")
    if reason := find_fault(policy):
        raise BadSetting(f"--policy {path}: {reason}.")
    with name_keys("publish", PublishSection):
        build_presentation(policy.publish.positive_class, policy.publish.threshold, policy.publish.label)
    release_options(policy, name="", version="", store="")
    return policy


def release_options(policy: Policy, **given: Any) -> ReleaseOptions:
    """Raises BadSetting."""
    section = vars(policy.release) | {"thresholds": Path(policy.release.thresholds)}
    options = ReleaseOptions(**section, **given)
    with name_keys("release", ReleaseSection):
        options.check()
    return options


@contextmanager
def name_keys(section: str, shape: type) -> Iterator[None]:
    """Refusals name the keys of the section instead of the options of the command that it stands for."""
    keys = {f"--{one.name.replace('_', '-')}": f"{section}.{one.name}" for one in fields(shape)}
    try:
        yield
    except (BadSetting, NothingCompared) as error:
        raise type(error)(OPTION.sub(lambda found: keys.get(found[0], found[0]), error.message)) from error


def find_fault(policy: Policy) -> str | None:
    if not any(MODEL in word for word in policy.train):
        return f"train needs the word {MODEL}, the directory that the command saves its model in"
    if policy.schedule is None and policy.error is None and policy.drift is None:
        return "it has no schedule, no error and no drift, so it would never train"
    if policy.schedule is not None and not (policy.schedule.days or policy.schedule.months):
        return "schedule needs days or months, and one of them above 0"
    error = policy.error
    if error is None:
        return None
    if error.max is None and error.max_ratio is None:
        return "error needs max or max_ratio"
    if (error.data is None) == (error.log is None):
        return "error needs either log, labels and key, or data and time"
    if error.log is not None and (error.labels is None or error.key is None):
        return "error with a log needs labels and key"
    if error.data is not None and error.time is None:
        return "error with data needs time, the column that the windows are cut by"
    return None
