"""Opening the bucket of a location."""

from pathlib import Path

from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import Location


def open_objects(location: Location, reach_seconds: float | None = None) -> Objects:
    """Imports the Cloud Storage client only for `gs://`. With `reach_seconds` raises StoreUnavailable unless the store can be
    connected to in that time; without, each request is tried for longer."""
    if location.scheme == "file":
        from modelserve.store.buckets.local import DirectoryObjects

        return DirectoryObjects(Path(location.bucket))
    from modelserve.store.buckets.gcs import GcsObjects
    from modelserve.store.buckets.gcs_read import store_address
    from modelserve.store.buckets.http_pool import reach

    if reach_seconds is not None:
        reach(store_address(), reach_seconds)
    return GcsObjects(location.bucket)
