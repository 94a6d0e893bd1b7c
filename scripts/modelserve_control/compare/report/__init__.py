"""A comparison as a document, for a terminal, in Markdown and as a page."""
