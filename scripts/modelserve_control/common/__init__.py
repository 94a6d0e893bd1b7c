"""What every command uses: options, output, progress, processes and refusals."""
