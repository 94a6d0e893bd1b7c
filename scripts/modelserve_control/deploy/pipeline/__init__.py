"""Steps of the pipeline: python -m modelserve_control.deploy.pipeline.NAME."""
