"""`modelserve publish` and `modelserve schema`: from a saved model to a version."""
