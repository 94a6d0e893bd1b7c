"""What a hostile file of requirements names another index of packages with."""

INDEX, MORE = (f"--{name}-url" for name in ("index", "extra-index"))
