"""Rows of a piece of a file, checked and scored, as columns of the output."""
