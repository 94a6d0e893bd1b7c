"""`modelserve publish` and `modelserve schema`."""
