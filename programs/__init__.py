"""What the programs in `trainers` and `export` share: command lines, tables and provenance.

Neither of the two imports the other; both build on this and on the library.
"""

import os

# TensorFlow's start-up notes would bury what the programs say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
