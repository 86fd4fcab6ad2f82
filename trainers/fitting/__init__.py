"""What trains a model: its batches, its loop, and all that happens between the steps."""
