"""One module a scheme of encodings. Each has `encode(model, encoding, …) -> model`,
with what its stage gives besides: a Calibration, a table of sensitivities."""
