"""What decides a run: its recipe, its settings and its data; and the folder that keeps them."""
