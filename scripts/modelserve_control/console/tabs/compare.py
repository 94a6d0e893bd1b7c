"""Two versions scored on the same rows, with the report of `modelserve compare`."""

from collections.abc import Iterator
from typing import Any, Final

from modelserve.store.buckets.objects import Objects
from modelserve_control.console.commands import make_report, repeat_option
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, choice, form, section, soft
from modelserve_control.console.tabs.version import list_versions
from modelserve_control.registry import catalog, version_ref

NO_TRUTH: Final = "(none)"


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    name = str(chosen.model)
    if not options.data:
        yield soft("There are no rows to compare on: start the console with --data FILES.")
        return
    versions = list_versions(objects, name)
    subjects = [*catalog.aliases(objects, name), *versions]
    controls = [
        choice(chosen, "a", "A", subjects, version_ref.CHAMPION),
        choice(chosen, "b", "B", subjects, next(iter(versions), None)),
        choice(chosen, "data", "Rows", options.data),
        *([choice(chosen, "truth", "Truth", (options.target, NO_TRUTH))] if options.target else []),
    ]
    yield form(chosen, *controls, button="Compare")
    a, b, data = (chosen.get(key) for key in ("a", "b", "data"))
    if a in subjects and b in subjects and data in options.data:
        truth = repeat_option(
            "--target", [options.target] if options.target and chosen.get("truth") != NO_TRUTH else []
        )
        limits = ["--thresholds", str(options.thresholds)] if options.thresholds else []
        report = make_report(options, "compare", name, str(a), str(b), "--data", str(data), *truth, *limits)
        yield section(f"{a} and {b} of {name}", report.frame("Comparison"))
