"""The graphs that are exported: what they can be asked, what they refuse, what warms them up."""
