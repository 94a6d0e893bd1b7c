"""The Avro schemas of the messages of a version."""
