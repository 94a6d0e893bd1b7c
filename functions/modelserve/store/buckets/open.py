"""Opening the bucket of a location."""

from pathlib import Path

from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import Location


def open_objects(location: Location) -> Objects:
    if location.scheme == "file":
        from modelserve.store.buckets.local import DirectoryObjects

        return DirectoryObjects(Path(location.bucket))
    from modelserve.store.buckets.gcs import GcsObjects

    return GcsObjects(location.bucket)
