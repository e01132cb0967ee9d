"""ONNX: the printed program of a cell, run once on arrays that note what is done to them as nodes of a graph.

`arrays` has these arrays, `operations` what is done to them under JAX's names, `texts` runs the program on
them, `native` knows the operators that are cells, `cells` and `networks` make graphs, `protos` writes them
with the package onnx, and `export` is what users call.
"""
