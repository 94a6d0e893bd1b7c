"""Publish a model: validate a private copy, take a version number, upload the files, and write the manifest last.

A publisher takes a number by creating the MLmodel of the version, which only one publisher can do. If a publisher is
killed, its number has no manifest: readers ignore it, and later publishers skip it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from modelserve.core.errors import ArtifactMissing, EnvironmentMismatch, NotFound, PreconditionFailed
from modelserve.store.buckets.objects import Objects
from modelserve.store.names import checksums
from modelserve.store.names.locations import MLMODEL, check_alias, check_model_name, manifest_name, version_prefix
from modelserve.store.names.paths import walk
from modelserve.store.versions.manifest import FileEntry, Manifest
from modelserve_control.common import provenance
from modelserve_control.common.errors import UploadCorrupt
from modelserve_control.common.progress import Advance, Progress
from modelserve_control.publish import environments, source, validation
from modelserve_control.registry import catalog, promote

# Each lost race gives a number to another publisher, so this many publishers can run at the same time.
MAX_ATTEMPTS = 1_000
MAX_SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class PublishOptions:
    source: str
    name: str
    alias: str | None = None
    data: Path | None = None
    trust: str = "strict"
    presentation: Mapping[str, Any] = field(default_factory=dict)
    compile: str = "auto"
    merge: str = "auto"
    env: str = "model"


def publish(objects: Objects, order: PublishOptions, progress: Progress) -> dict[str, Any]:
    """The new version, and the move of the alias if one is given. Raises ServeError."""
    check_model_name(order.name)
    if order.alias:
        check_alias(order.alias)
    report_incomplete(order.name, entries_of_bucket(objects, order.name), progress)
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        progress.say(f"fetching {order.source}")
        fetched = source.fetch(order.source, Path(scratch))
        progress.say("validating: loading the model and scoring its sample in a separate process")
        validated = validate(fetched, order, progress)
        if validated.inferred:
            columns = ", ".join(
                f"{one['name']} ({one['type']})" for one in validated.signature["inputs"][:MAX_SHOWN_COLUMNS]
            )
            progress.say(
                "the model had no signature; one was inferred from the sample and written to the MLmodel of the copy: "
                f"{columns}"
            )
        progress.say(describe_runtime(validated))
        for warning in validated.warnings:
            progress.say(f"warning: {warning}")
        draft = draft_manifest(order, fetched, validated)
        made = upload(objects, draft, fetched.directory, progress)
    result: dict[str, Any] = {"name": made.name, "version": made.version, "manifest_sha256": made.digest}
    result |= {"files": len(made.files), "bytes": sum(entry.size for entry in made.files)}
    result |= {"runtime": made.runtime["kind"], "verified": made.runtime.get("verified")}
    result |= {"not_compiled": validated.not_compiled}
    result |= {"methods": list(made.methods), "signature_inferred": validated.inferred, "alias": None}
    if order.alias:
        reason = f"published from {order.source}"
        result["alias"] = promote.promote(objects, made.name, made.version, order.alias, reason)
    return result


def validate(fetched: source.Source, order: PublishOptions, progress: Progress) -> validation.ValidationResult:
    """Here, or if the model was made with other packages and `--env model` is given, in an environment that has those."""
    arguments = (fetched.directory, order.data, order.trust, order.presentation, order.compile, order.merge)
    try:
        return validation.validate(*arguments)
    except EnvironmentMismatch as mismatch:
        if order.env == "kit":
            raise EnvironmentMismatch(
                f"{mismatch.message} Or leave out --env kit: publish then builds an environment with those packages."
            ) from None
        try:
            made = environments.packages_of(fetched.directory, order.trust)
            python = environments.build(made, progress)
        except environments.BuildFailed as error:
            raise EnvironmentMismatch(
                f"{mismatch.message} Those packages could not be installed here: {error}"
            ) from error
    progress.say("validating there")
    validated = validation.validate(*arguments, python=python)
    if validated.runtime["kind"] == "native":
        progress.say(
            "warning: functions with other packages refuse this native version; `modelserve doctor` names what to change"
        )
    return validated


def entries_of_bucket(objects: Objects, name: str) -> Iterable[catalog.Entry]:
    """Read before the model is fetched and compiled, which takes a long time."""
    try:
        return catalog.entries(objects, name).values()
    except ArtifactMissing as error:
        raise NotFound("The bucket of --store does not exist; publish does not create it.") from error


def report_incomplete(name: str, entries: Iterable[catalog.Entry], progress: Progress) -> None:
    for entry in entries:
        if entry.is_incomplete:
            progress.say(
                f"version {entry.version} of {name} is incomplete: it is being published, or that was interrupted, and "
                f"`modelserve delete {name} {entry.version} --incomplete` clears it"
            )


def describe_runtime(validated: validation.ValidationResult) -> str:
    verified = validated.runtime.get("verified")
    if verified is None:
        return f"native: {validated.not_compiled}" if validated.not_compiled else "native, as requested"
    rows, difference = verified["rows"], verified["greatest_difference"]
    labels = ", no label differs" if validated.classes else ""
    return f"compiled, and verified on {rows:,} rows: greatest difference {difference:.1e}{labels}"


def draft_manifest(order: PublishOptions, fetched: source.Source, validated: validation.ValidationResult) -> Manifest:
    """The manifest with a placeholder for the version."""
    mlmodel = yaml.safe_load((fetched.directory / MLMODEL).read_text())
    return Manifest(
        name=order.name,
        version="1",
        files=tuple(file_entries(fetched.directory)),
        signature=validated.signature,
        runtime=validated.runtime,
        methods=validated.methods,
        environment=validated.environment,
        presentation=dict(order.presentation) or None,
        provenance=provenance.provenance(fetched.uri, mlmodel) | {"trust": order.trust},
        sample=validated.sample,
    )


def file_entries(directory: Path) -> list[FileEntry]:
    found = []
    for path, _ in walk(str(directory)):
        sums = checksums.of_file(directory / path)
        found.append(FileEntry(path, sums.size, sums.crc32c, sums.sha256))
    return found


def upload(objects: Objects, draft: Manifest, directory: Path, progress: Progress) -> Manifest:
    """Create all files, verify them, and write the manifest last. Nothing is overwritten."""
    with progress.count("bytes", sum(entry.size for entry in draft.files)) as advance:
        made = replace(draft, version=take_number(objects, draft.name, directory, advance))
        try:
            upload_files(objects, made, directory, advance)
        except BaseException:
            progress.say(
                f"version {made.version} of {made.name} is incomplete and does not exist for readers; "
                f"`modelserve delete {made.name} {made.version} --incomplete` clears it"
            )
            raise
    progress.say(f"published {made.name} version {made.version}")
    return made


def upload_files(objects: Objects, made: Manifest, directory: Path, advance: Advance) -> None:
    prefix = version_prefix(made.name, made.version)
    for entry in made.files:
        if entry.path != MLMODEL:
            objects.create(f"{prefix}/{entry.path}", directory / entry.path, advance)
    verify_upload(objects, made)
    objects.write(manifest_name(made.name, made.version), made.to_bytes(), if_generation_match=0)


def take_number(objects: Objects, name: str, directory: Path, advance: Advance) -> str:
    """The first free number above all numbers ever taken."""
    number = max(catalog.entries(objects, name), default=0)
    for _ in range(MAX_ATTEMPTS):
        number += 1
        try:
            objects.create(f"{version_prefix(name, str(number))}/{MLMODEL}", directory / MLMODEL, advance)
        except PreconditionFailed:
            advance(-(directory / MLMODEL).stat().st_size)
        else:
            return str(number)
    raise PreconditionFailed(f"{MAX_ATTEMPTS} other publishers of {name} were faster; try again.")


def verify_upload(objects: Objects, made: Manifest) -> None:
    """Check that the store has exactly the validated files. Uploads check themselves; this also finds additional files."""
    prefix = version_prefix(made.name, made.version) + "/"
    stored = {info.name.removeprefix(prefix): info for info in objects.list(prefix)}
    wrong = sorted(stored.keys() ^ {entry.path for entry in made.files})
    for entry in made.files:
        info = stored.get(entry.path)
        if info and (info.size != entry.size or info.crc32c not in (None, entry.crc32c)):
            wrong.append(entry.path)
    if wrong:
        raise UploadCorrupt(
            f"Version {made.version} of {made.name} was changed while it was uploaded ({', '.join(wrong[:5])}); publish again."
        )
