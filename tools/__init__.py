"""Programs for people: none is part of the pipeline."""
