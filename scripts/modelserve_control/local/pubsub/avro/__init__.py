"""Messages in the encodings of Avro."""
