"""What goes to Google Cloud: the archive, releases, rollouts, failover, the pipeline's steps."""
