"""A Cloud Storage bucket, or a local directory with the semantics of one."""
