"""A version's facts: compiled or native, what it was verified on, its profile and its environment."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from modelserve.schema.signature import from_mlmodel
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NoProfile
from modelserve_control.console.options import ConsoleOptions
from modelserve_control.console.page import Chosen, choice, form, section, soft, table
from modelserve_control.monitor.profiles import read_profile
from modelserve_control.monitor.stats.profile import Numbers
from modelserve_control.registry import catalog, version_ref
from modelserve_control.report.tables import format_value, percent

FACT: Final = ("fact", "value")
LONG: Final = ("inputs", "outputs", "verified")  # of a compiled form: the columns have a table of their own
QUANTILES: Final = (0.05, 0.5, 0.95)
MAX_CATEGORIES: Final = 5


def build(options: ConsoleOptions, objects: Objects, chosen: Chosen) -> Iterator[Any]:
    name = str(chosen.model)
    version = choose_version(objects, chosen)
    numbers = list_versions(objects, name)
    yield form(chosen, choice(chosen, "version", "Version", numbers, version), button="Show")
    manifest = catalog.manifest(objects, name, version)
    runtime = manifest.runtime
    named = [alias for alias, one in catalog.aliases(objects, name).items() if one.version == version]
    facts = {
        "aliases": ", ".join(named) or "-",
        "runtime": {key: value for key, value in runtime.items() if key not in LONG},
        "verified": runtime.get("verified") or "not: it is native",
        "methods": manifest.methods,
        "presentation": manifest.presentation or "-",
        "manifest_sha256": manifest.digest,
        "provenance": manifest.provenance,
    }
    yield section(f"{name} version {version}", table(FACT, flatten(facts), "Facts"))
    yield from build_inputs(manifest)
    yield from build_profile(objects, manifest)
    yield section("Environment", table(FACT, flatten(manifest.environment), "Environment"))
    files = [(one.path, f"{one.size:,}") for one in manifest.files]
    yield section("Files", table(("file", "bytes"), files, "Files"))


def list_versions(objects: Objects, name: str) -> list[str]:
    """The newest first."""
    return [one.version for one in reversed(catalog.entries(objects, name).values()) if one.manifest]


def choose_version(objects: Objects, chosen: Chosen) -> str:
    """What the address names, else the champion, else the newest."""
    name = str(chosen.model)
    if version := chosen.get("version"):
        return version
    if champion := catalog.aliases(objects, name).get(version_ref.CHAMPION):
        return champion.version
    return next(iter(list_versions(objects, name)), "1")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key} ")
        else:
            listed = isinstance(value, list | tuple)
            yield f"{prefix}{key}".replace("_", " "), ", ".join(map(str, value)) if listed else format_value(value)


def build_inputs(manifest: Manifest) -> Iterator[Any]:
    signature = from_mlmodel(manifest.signature) if manifest.signature else None
    if signature is None:
        yield section("Inputs", soft("The model has no signature."))
        return
    rows = [
        (column.get("name", str(place)), column["type"], "yes" if column.get("required", True) else "no")
        for place, column in enumerate(signature.raw["inputs"])
    ]
    yield section("Inputs", table(("column", "type", "required"), rows, "Inputs"))


def build_profile(objects: Objects, manifest: Manifest) -> Iterator[Any]:
    try:
        profile = read_profile(objects, manifest)
    except NoProfile as error:
        yield section("Profile", soft(error.message))
        return
    found = {**profile.columns, **profile.predictions}
    rows = [(name, percent(one.missing / one.rows if one.rows else 0.0), describe(one)) for name, one in found.items()]
    words = soft(f"Of {profile.rows:,} rows that it was trained on, and its predictions for them.")
    yield section("Profile", words, table(("column", "missing", "values"), rows, "Profile"))


def describe(column: Any) -> str:
    if isinstance(column, Numbers):
        last = len(column.edges) - 1
        edges = ", ".join(format_value(column.edges[round(share * last)]) for share in QUANTILES) if last >= 0 else "-"
        return f"mean {format_value(column.mean)}, deviation {format_value(column.deviation)}, 5, 50 and 95 % {edges}"
    shares = [f"{name} {percent(count / column.rows)}" for name, count in list(column.counts.items())[:MAX_CATEGORIES]]
    more = column.distinct - len(shares)
    return ", ".join([*shares, *([f"{more:,} more"] if more > 0 else [])])
