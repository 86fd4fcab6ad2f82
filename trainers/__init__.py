"""Programs that train, evaluate and measure predictors. Run them from a checkout."""

import os

# TensorFlow's start-up notes would bury what the programs say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
