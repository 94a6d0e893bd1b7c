"""What the two sides' answers come to: counts, distances, segments, thresholds."""
