"""`modelserve failover`: moves requests between the functions and the cluster, and says how they are shared out."""
