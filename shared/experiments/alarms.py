"""Alarms of experiments, as the log of their decisions names them."""

GUARDRAIL_BROKEN = "guardrail_broken"
SAMPLE_RATIO_MISMATCH = "sample_ratio_mismatch"
ALARMS = (GUARDRAIL_BROKEN, SAMPLE_RATIO_MISMATCH)
