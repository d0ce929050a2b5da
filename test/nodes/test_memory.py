import platform
import subprocess
import sys

import pytest

IMAGES = """
import resource
from uplift_ros.nodes.lifecycle.memory import keep_freed_memory
{keep}
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    copies = [bytearray(900_000) for _ in range(3)]
    del copies
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Script that allocates and frees the memory of three copies of an image, a hundred times."""


def page_faults(keep: str) -> int:
    code = IMAGES.format(keep=keep)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_the_memory_of_one_image_serves_the_next():
    assert page_faults("keep_freed_memory()") < page_faults("") / 10
