"""A study of the teacher's pass by family: our float32 and bfloat16 beside ONNX Runtime's float32."""
