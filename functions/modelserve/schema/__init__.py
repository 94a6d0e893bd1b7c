"""MLflow's column types and signatures, and the checked columns of a request."""
