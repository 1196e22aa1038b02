"""A student as an ONNX model: graphs of our own, small and of common operators, from token ids to probabilities."""
