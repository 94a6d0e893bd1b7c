"""Files of rows: read piece by piece, found by patterns, and written whole or not at all."""
