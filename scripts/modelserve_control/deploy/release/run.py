"""`modelserve release`: start or resume the release of a version to an alias."""

from pathlib import Path
from typing import Any

from modelserve.core.errors import BadSetting, PreconditionFailed, ServeError
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import read_alias
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.processes import checkout
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.release import journal as journals
from modelserve_control.deploy.release.journal import ReleaseJournal
from modelserve_control.deploy.release.options import ReleaseOptions
from modelserve_control.deploy.release.steps import Release
from modelserve_control.registry import catalog


def release(objects: Objects, options: ReleaseOptions, progress: Progress, root: Path | None = None) -> dict[str, Any]:
    """Returns the journal's document. `root` is the checkout that the functions are built from.

    Raises BeyondThresholds, NothingShadowed, RolledBack, and the errors of each step; they are in the journal too.
    """
    root = root or checkout()
    options.check()
    manifest = catalog.manifest(objects, options.name, options.version)
    journal = journals.find_unfinished(objects, options.name, options.version, options.alias)
    if journal is None:
        journal = begin(objects, options, manifest)
    else:
        if options.shadow is None and "shadow" in journal.document and journal.step("shadow") is None:
            raise BadSetting(f"Release {journal.id} is shadowing: resume it with --shadow; its time may be shorter.")
        progress.say(f"Resume release {journal.id}, started {journal.document['started_at']}")
    try:
        return Release(objects, options, manifest, journal, progress, root).run()
    except ServeError as error:
        # After the promotion the release stays open: the same command resumes the watch.
        if not error.retryable and journal.outcome is None and journal.step("promote") is None:
            journal.end("refused", error.message)
        raise


def begin(objects: Objects, options: ReleaseOptions, manifest: Manifest) -> ReleaseJournal:
    found = read_alias(objects, options.name, options.alias)
    if found and (found[0].version, found[0].manifest_sha256) == (manifest.version, manifest.digest):
        raise PreconditionFailed(
            f"The alias {options.alias} of {options.name} already names version {options.version}."
        )
    now, generation = found or (None, 0)
    return journals.create(
        objects,
        options.name,
        options.version,
        manifest_sha256=manifest.digest,
        alias=options.alias,
        reason=options.reason,
        before={"version": now and now.version, "generation": generation},
    )
