"""What may be asked of weights: words, the moments behind them, the features they are linear in."""
