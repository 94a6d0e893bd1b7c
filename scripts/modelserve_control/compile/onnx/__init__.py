"""The graph that is written: its features, heads, lookups and trees."""
