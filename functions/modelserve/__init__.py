"""The data plane: one model behind an HTTPS function and a Pub/Sub topic."""
