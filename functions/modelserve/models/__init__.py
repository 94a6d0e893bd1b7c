"""From a stored version to its answers: load, warm up, score, replace."""
