"""fp32: the patched graph itself."""


def encode(model, encoding, calibration, sensitivity):
    return model
