"""The performance monitor: what each agent measures of itself every five minutes."""
