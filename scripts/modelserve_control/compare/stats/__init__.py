"""Statistics of the answers of both sides: pairs, counts, distances, segments, thresholds."""
