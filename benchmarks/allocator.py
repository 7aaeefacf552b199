"""One state of the memory allocator for everybody.

glibc gives the top of the heap back to the kernel when enough of it is free, and then a megabyte costs hundreds of page
faults. Whether a call of 1 MB meets that depends on what was allocated before it, so a figure would be one or its
double from run to run. Kept memory is what all of them find at their best.
"""

import ctypes

__all__ = ["keep_memory"]

# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEEP = 1 << 30


def keep_memory() -> bool:
    """Tell glibc to keep what it once got; False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEEP) and mallopt(_M_MMAP_THRESHOLD, _KEEP))
