"""What the programs here are given: a trained predictor, and frames."""
