"""The learned reranker: orders the candidates of all algorithms. Arrays in, arrays out."""
