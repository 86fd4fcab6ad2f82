"""Errors of predictions, operations of models, speed of this machine; and the reports of them."""
