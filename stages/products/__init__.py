"""Graphs composed of finished towers: one module a product, with
`build(…) -> onnx_ir.Model`."""
