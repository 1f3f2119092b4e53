"""What is measured: facts of sessions and lists as events stream in, and every metric with its interval."""
