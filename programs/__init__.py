"""What the programs in `trainers` and `export` share: command lines, progress and provenance.

Neither of the two imports the other; both build on this and on the library.
"""

from programs.kernels import prefer_onednn
from programs.quiet_start import quieten_interrupts, quieten_tensorflow

quieten_interrupts()
quieten_tensorflow()
prefer_onednn()
