"""Programs that train, evaluate and measure predictors. Run them from a checkout."""

import programs as programs  # Before TensorFlow, which it quietens.
