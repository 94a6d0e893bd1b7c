"""`modelserve failover`: move requests between the functions and the cluster, or show how they are shared out."""
