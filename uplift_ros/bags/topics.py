"""Topics of the graph in recordings. A module of its own, since `uplift run` needs no more of bags while it runs."""

GRAPH_TOPICS = (
    "image_raw/compressed",
    "camera_info",
    "keyframes",
    "keyframe_requests",
    "skeletons/raw",
    "skeletons",
    "skeleton_info",
    "rate_state",
    "ground_truth",
)
"""Topics recorded by default. Raw images, 46 MB/s at 640x480 and 50 Hz, are recorded only by name."""
