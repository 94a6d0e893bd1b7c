"""Uploads, without the command."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from command_line import CommandLine
from modelserve.core.errors import ArtifactMissing
from modelserve.store.buckets.objects import ObjectInfo, Objects, Progress
from modelserve.store.names import checksums
from modelserve.store.names.locations import parse
from modelserve.store.versions.manifest import Manifest
from modelserve.store.versions.resolve import resolve
from modelserve_control.common.errors import UploadCorrupt
from modelserve_control.common.progress import Lines
from modelserve_control.publish.publish import describe_runtime, file_entries, upload
from modelserve_control.publish.validation import ValidationResult
from modelserve_control.registry import catalog
from stores import put, tiny

ROUNDS, PUBLISHERS = 10, 4


def test_concurrent_publishers_get_different_numbers(objects: Objects, tmp_path: Path) -> None:
    models = [tiny(tmp_path / str(number), text=str(number)) for number in range(PUBLISHERS)]
    barrier = Barrier(PUBLISHERS)

    def publish(model: Path) -> tuple[str, Path]:
        barrier.wait()
        return put(objects, "m", model), model

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        made = [pair for _ in range(ROUNDS) for pair in pool.map(publish, models)]
    assert sorted(int(version) for version, _ in made) == list(range(1, ROUNDS * PUBLISHERS + 1))
    for version, model in made:
        assert catalog.manifest(objects, "m", version).files == tuple(file_entries(model))


def test_a_version_without_its_manifest_does_not_exist_for_a_reader(
    command: CommandLine, objects: Objects, tmp_path: Path
) -> None:
    objects.create("models/m/versions/1/MLmodel", tiny(tmp_path / "model") / "MLmodel")
    with pytest.raises(ArtifactMissing):
        resolve(parse(f"{command.store}/models/m/versions/1"), objects)
    assert put(objects, "m", tmp_path / "model") == "2"


class Meddling:
    """A store to which another process adds a file during the first upload."""

    def __init__(self, inner: Objects, intruder: Path) -> None:
        self.inner = inner
        self.intruder = intruder

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def create(self, name: str, source: Path, progress: Progress | None = None) -> ObjectInfo:
        if name.endswith("/MLmodel"):
            self.inner.create(name.replace("MLmodel", "intruder"), self.intruder)
        return self.inner.create(name, source, progress)


def test_no_manifest_is_written_if_the_store_has_other_files(objects: Objects, tmp_path: Path) -> None:
    model = tiny(tmp_path / "model")
    meddling = Meddling(objects, model / "MLmodel")
    with pytest.raises(UploadCorrupt, match="intruder"):
        upload(meddling, Manifest("m", "1", tuple(file_entries(model))), model, Lines())  # type: ignore[arg-type]  # by __getattr__
    assert catalog.entries(objects, "m")[1].manifest is None


def test_a_file_entry_describes_the_file(tmp_path: Path) -> None:
    model = tiny(tmp_path / "model")
    found = {entry.path: entry.checksums for entry in file_entries(model)}
    assert found == {path: checksums.of_file(model / path) for path in ("MLmodel", "data/model.bin")}


class Interrupted(Meddling):
    """A store whose user presses Ctrl-C during the first upload below data/."""

    def create(self, name: str, source: Path, progress: Progress | None = None) -> ObjectInfo:
        if "/data/" in name:
            raise KeyboardInterrupt
        return self.inner.create(name, source, progress)


def test_an_interrupted_publication_says_how_to_clear_it(
    objects: Objects, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny(tmp_path / "model")
    draft = Manifest("m", "1", tuple(file_entries(model)))
    with pytest.raises(KeyboardInterrupt):
        upload(Interrupted(objects, model), draft, model, Lines())  # type: ignore[arg-type]  # by __getattr__
    assert "`modelserve delete m 1 --incomplete` clears it" in capsys.readouterr().err


@pytest.mark.parametrize(("classes", "labels"), [(["no", "yes"], ", no label differs"), (None, "")])
def test_labels_are_only_told_of_a_classifier(classes: list[str] | None, labels: str) -> None:
    runtime = {"kind": "compiled", "verified": {"rows": 9, "greatest_difference": 0.0}}
    validated = ValidationResult({}, ["predict"], classes, {}, runtime=runtime)
    assert describe_runtime(validated) == f"compiled, and verified on 9 rows: greatest difference 0.0e+00{labels}"
