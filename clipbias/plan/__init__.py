"""What a recipe would take and could show, before anything of it is fetched or run."""
