"""What was exported: opened in its runtime, compared with its model, measured."""
