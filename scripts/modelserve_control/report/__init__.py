"""Reports of any command: sections of text, tables and charts, as Markdown and as one HTML file."""
