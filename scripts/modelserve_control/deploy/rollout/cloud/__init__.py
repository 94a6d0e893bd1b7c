"""Cloud Run and Cloud Monitoring."""
