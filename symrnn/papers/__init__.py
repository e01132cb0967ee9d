"""Documents: LaTeX, notebooks, terminals; `web/` has the pages, whose look stands in `templates/`."""
