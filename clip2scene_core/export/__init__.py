"""A student as graphs that need no Python: a checkpoint in, a .pt2 archive or ONNX out.

Two graphs: the map builder (points of a sweep to voxels, kernel maps and weights of interpolation)
and the network (these and text embeddings to logits). Read `blocked_conv` (a convolution that a
graph can hold), `layout` (the tensors between the graphs), `point_input` and `map_builder` (the
first graph), `point_scorer` (the second one), `programs` (both traced), `description` (what a
program in another language must know), then `archive`, and `onnx_sums` (sums as ONNX can write
them) with `onnx` (the files).
"""
