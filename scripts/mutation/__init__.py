"""Mutation testing with a list of guards: remove each guard in a copy of the code, and expect its tests to fail."""
