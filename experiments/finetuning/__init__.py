"""The study of a limited retraining: which runs, what is made of them, how it is shown."""
