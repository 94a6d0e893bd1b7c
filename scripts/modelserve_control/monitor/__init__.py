"""What was predicted, how far it moved from what the version was trained on, and how good it was."""
