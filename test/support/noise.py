"""A detector without errors."""

from uplift_ros.lab.data.detector_noise import DetectorNoise

NO_NOISE = DetectorNoise(
    offset=0.0,
    drift=0.0,
    jitter=0.0,
    far=0.0,
    absent=0.0,
    inversion=0.0,
    reversal=0.0,
    swap=0.0,
    hidden=0.0,
    levelled=0.0,
    derived=0.0,
)
