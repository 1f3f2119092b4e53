"""What is done with an experiment, as the log of its decisions names it."""

CREATED = "created"
STOPPED = "stopped"
CONCLUDED = "concluded"
ENDS = (STOPPED, CONCLUDED)
"""What ends an experiment."""

GUARDRAIL_BROKEN = "guardrail_broken"
SAMPLE_RATIO_MISMATCH = "sample_ratio_mismatch"
ALARMS = (GUARDRAIL_BROKEN, SAMPLE_RATIO_MISMATCH)
"""What a daily look writes down."""
