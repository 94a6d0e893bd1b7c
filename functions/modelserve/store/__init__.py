"""Models in a bucket: names, objects, versions, downloads, and what may be loaded."""
