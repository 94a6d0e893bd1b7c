"""What `scripts/retrain` and `scripts/drift` run: rows, a command that trains, and a policy for each of the two examples."""
