"""The audit: from what people have to a page of numbers, and to a check that runs every week.

`stages.STAGES` is what the command does with a `job.Job`.
"""
