"""`modelserve publish`, `modelserve import` and `modelserve schema`."""
