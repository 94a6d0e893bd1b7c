"""What every command uses: options, output, progress, processes, services and errors."""
