"""One module a scheme of encodings. Each has `encode(model, encoding) -> model`."""
