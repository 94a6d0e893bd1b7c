"""Run a program in an environment without the kit: `python seldom.py PROGRAM [ARGUMENT ...]`; its collector of cycles runs seldom.

As `modelserve.core.memory.collect_seldom`: of a process that imports much, a third of the time is collections.
"""

import atexit
import gc
import os
import runpy
import sys

if __name__ == "__main__":
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    del sys.argv[0]
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
