"""The pipeline: a verb is a stage, a noun a library of the stages."""
