"""Statistics without files: profiles of columns, shifts between samples, measures of quality."""
