"""How models, versions and files are named, and what a name may hold."""
