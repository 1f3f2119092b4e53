"""Questions with known answers, splits, metrics and intervals: used by reranker training and by evaluation."""
