"""Cloud Run and Cloud Monitoring, as a rollout needs them."""
