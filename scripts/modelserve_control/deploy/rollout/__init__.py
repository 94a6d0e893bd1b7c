"""`modelserve rollout`: shift the traffic to a new revision in steps, and roll back if any check fails."""
