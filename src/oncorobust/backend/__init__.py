"""Compile functions of a model for TensorFlow, PyTorch or JAX; the only room that knows them."""
