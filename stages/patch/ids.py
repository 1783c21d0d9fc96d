"""int32 token ids, for runtimes without int64."""

import onnx_ir as ir


def narrow(model):
    """Let a textual tower take int32 `input_ids`, in place; 49407 is far below what they hold.

    Gather and ArgMax take both types, and the cast in front of ArgMax is then none.
    """
    model.graph.inputs[0].dtype = ir.DataType.INT32
