"""A comparison as text for a terminal, as Markdown and as an HTML page."""
