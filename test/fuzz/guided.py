"""One target with inputs that coverage guides: `pip install atheris`, then `python -m fuzz.guided TARGET` in test/.

Atheris mutates the random numbers of `Target.case`, so that it can guide every target unchanged. Options of libFuzzer
follow the name: `-atheris_runs=100000 -max_total_time=60`. The run ends with the first finding.
"""

import sys
import tempfile
import warnings
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["uplift_ros", "rosbags", "yaml"]):
    from fuzz.run import all_targets
    from fuzz.target import chosen


class Dice(Random):
    """Random numbers from given bytes; zeros follow."""

    def __init__(self, told: bytes) -> None:
        super().__init__(0)
        self._told, self._at = told, 0

    def getrandbits(self, count: int) -> int:
        size = (count + 7) // 8
        taken = self._told[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "little") & ((1 << count) - 1)

    def random(self) -> float:
        return self.getrandbits(16) / 65536


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        (target,) = chosen(all_targets(Path(folder)), sys.argv[1:2])
        atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: target.try_case(target.case(Dice(data))) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
