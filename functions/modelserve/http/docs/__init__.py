"""What a function says of itself to people and programs: OpenAPI and the page. Imported when it is first asked for."""
