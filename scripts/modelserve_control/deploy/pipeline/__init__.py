"""What only the steps of the pipeline need: python -m modelserve_control.deploy.pipeline.NAME."""
