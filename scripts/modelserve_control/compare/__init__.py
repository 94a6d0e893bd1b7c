"""`modelserve compare`: the same rows through two models, and what changes for those who use the answers."""
