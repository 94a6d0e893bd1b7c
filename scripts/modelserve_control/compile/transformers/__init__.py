"""One module for each family of transformers."""
