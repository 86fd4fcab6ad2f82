"""Programs that take predictors to other runtimes and serve them. Run them from a checkout."""

import programs as programs  # Before TensorFlow, which it quietens.
