"""What became of each constraint: sums, decisions, intervals, sentences."""
