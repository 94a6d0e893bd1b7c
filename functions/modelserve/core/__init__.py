"""What everything else uses: errors, settings, logs, metrics and memory."""
