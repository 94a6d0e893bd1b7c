"""A process of its own for bodies that take long to decode."""
