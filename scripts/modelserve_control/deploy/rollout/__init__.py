"""`modelserve rollout`: a new revision gets the traffic in steps, and gives it back on any doubt."""
