"""Plans as source code: a folder for each target; what its modules share stands in `templates/`."""
