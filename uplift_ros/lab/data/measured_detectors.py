"""Measured errors of 2D detectors, from which `DetectorNoise` takes its numbers. Lengths are in parts of the torso.

- `MEASURED` is BlazePose on the synthetic camera, five viewpoints, 2500 images (lab/studies/detector_errors.py):
  offset and drift of each joint, mean error 4.3 %.
- Real people are harder than a drawn one. Against Human3.6M's truth BlazePose's mean error was 7.4 % (4 images, with a
  mapping that was fitted to them), its drift and pose-dependent bias on real clips 7 to 10 %. Hence `offset` and
  `drift` of `DetectorNoise` are 1.85 times what was measured, which makes a mean error of 7 %.
- White jitter is no larger on real people: 0.5 to 0.8 % on clips, 0.0 to 1.3 % on the synthetic person.
- Sides were swapped in 1.3 % (arms) and 1.5 % (legs) of the images of a clip of people who turn, in none of people who
  face the camera, in 1 to 10 % if limbs are hidden or blurred: 1 %.
- Joints were lost in 0.2 % of that clip's images, in up to 18 % of occluded ones: 1 %. Half of them are placed
  anywhere, as BlazePose places every joint; half are absent, as other networks and messages may leave joints out.
- A limb on another person requires several people in an image: 0.2 % is an assumption, and so is the duration of such
  errors.
"""

import numpy as np

from uplift_ros.skeleton import H36M17

SLOW_S, FAST_S = 0.8, 0.2
"""Time constants of the drift of trunk and head, and of limbs, whose bias follows their pose."""

MEASURED = {
    "pelvis": (0.021, 0.023, SLOW_S),
    "hip": (0.009, 0.015, SLOW_S),  # on top of the pelvis, with which hips err together
    "knee": (0.011, 0.026, FAST_S),
    "ankle": (0.026, 0.030, FAST_S),
    "spine": (0.0, 0.0, SLOW_S),  # detectors have none: it lies between pelvis and thorax, and so do its errors
    "thorax": (0.017, 0.024, SLOW_S),
    "nose": (0.032, 0.026, SLOW_S),
    "head": (0.029, 0.032, SLOW_S),
    "shoulder": (0.018, 0.027, FAST_S),
    "elbow": (0.019, 0.041, FAST_S),
    "wrist": (0.016, 0.048, FAST_S),
}
"""Of each joint: root mean square offset of a viewpoint, and drift with its time constant; deviations per axis."""

OFFSET, DRIFT, DRIFT_TIME_S = np.array([MEASURED[joint.split("_")[-1]] for joint in H36M17.joints]).T
"""The same for the 17 joints."""

TORSO_M = 0.51
"""Torso length at canonical stature."""

SHARE_IN_3D = 0.8
"""Share of a joint's offset, as a deviation, that is constant in the frame of its segment; the rest is in the image."""

SHARE_WITH_POSE = np.sqrt(0.5)
"""Share of the drift, as a deviation, that is a linear function of the 2D pose; the rest is a random walk."""

POSE_DEVIATION = 0.35
"""Deviation of a coordinate of the 2D pose from its mean over a window of lively motion."""

HIDDEN_DRIFT = 0.07
"""Deviation per axis of the drift of a joint behind the person's own body, on top of other errors."""

OUTSIDE_DRIFT = 0.2
"""Deviation per axis of the drift of a joint that the detector guesses beyond the border of the image."""

REMAINING_SLOPE = {"hips": (0.33, 0.12), "shoulders": (0.7, 0.15)}
"""Slope of the line between both hips, or both shoulders, against the trunk as detected, as a part of the true one:
mean and deviation between people and views. BlazePose draws hips at right angles to the trunk: 0.40 and 0.58 of the
slopes remained on the drawn person in poses of motion capture, 0.32 and 0.89 in three views of a real man."""

EPISODE_S, LONG_EPISODE_S = 0.2, 0.6
"""How long a joint is lost or swapped, which is while it is hidden or blurred, and how long all sides are swapped."""
