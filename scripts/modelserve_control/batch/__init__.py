"""`modelserve score`: tables in, tables out."""
