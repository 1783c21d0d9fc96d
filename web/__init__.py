"""A static site that runs the bundles in the browser."""
