"""Mutation testing by hand: each guard of the code is removed in a copy, and the tests nearest to it must fail."""
