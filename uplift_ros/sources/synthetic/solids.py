"""Renders shaded tapered capsules by ray casting, all pixels of all parts at once.

A part with an elliptic cross section is a round one in a space squeezed along one axis. Rays are assumed parallel
within a part; a depth buffer resolves occlusion, and edges are blended over the background.
"""

from dataclasses import dataclass

import numpy as np

from uplift_ros.sources.synthetic.viewpoint import Viewpoint

AMBIENT, DIFFUSE, EDGE_DARKENING = 0.44, 0.70, 0.15

LIGHT = np.array([0.40, 0.34, 0.85]) / np.linalg.norm([0.40, 0.34, 0.85])
"""Direction to the light, world, unit length: above, in front and to the left of a person who faces +x."""


@dataclass(frozen=True)
class Parts:
    """N tapered capsules: spheres swept from a to b, stretched along one axis.

    Attributes:
        a, b: (N, 3) ends, metres, world.
        radii: (N, 2) at both ends, metres; the short semi-axis if the cross section is an ellipse.
        wide: (N, 3) unit vector of the long semi-axis.
        aspect: (N,) ratio of the long semi-axis to the short one.
        colour: (N, 3) RGB [0, 255].
    """

    a: np.ndarray
    b: np.ndarray
    radii: np.ndarray
    wide: np.ndarray
    aspect: np.ndarray
    colour: np.ndarray


def draw_parts(image: np.ndarray, parts: Parts, viewpoint: Viewpoint) -> None:
    """Draw into `image` (H, W, 3) uint8; parts behind the camera are skipped."""
    geometry, low, high, nearest = _as_seen(parts, viewpoint)
    limits = np.array(image.shape[1::-1])
    low = np.clip(np.floor(low), 0, limits).astype(int)
    high = np.clip(np.ceil(high) + 1, low, limits).astype(int)
    # Far to near, so that soft edges blend with the background.
    shown = np.flatnonzero((high > low).all(-1) & (nearest > 0))
    shown = shown[np.argsort(-nearest[shown])]
    if not len(shown):
        return
    low, high = low[shown], high[shown]
    cover, depth, shade = _cast(geometry[:, shown], low, high - low)
    # Colours are stored as planes: arithmetic on three interleaved channels would be slow.
    colour = shade * np.repeat(parts.colour[shown].T.astype(np.float32), (high - low).prod(-1), axis=1)

    corner = low.min(0)
    (x0, y0), (x1, y1) = corner.tolist(), high.max(0).tolist()
    canvas = np.ascontiguousarray(image[y0:y1, x0:x1].transpose(2, 0, 1), np.float32)
    buffer = np.full(canvas.shape[1:], np.inf, np.float32)
    start = 0
    for (left, top), (right, bottom) in zip((low - corner).tolist(), (high - corner).tolist(), strict=True):
        height, width = bottom - top, right - left
        span = slice(start, start + height * width)
        start = span.stop
        behind, pixels = buffer[top:bottom, left:right], canvas[:, top:bottom, left:right]
        alpha, distance = cover[span].reshape(height, width), depth[span].reshape(height, width)
        alpha = alpha * (distance < behind)
        pixels += alpha * (colour[:, span].reshape(3, height, width) - pixels)
        np.copyto(behind, distance, where=alpha > 0.5)
    image[y0:y1, x0:x1] = canvas.transpose(1, 2, 0)


def _as_seen(parts: Parts, viewpoint: Viewpoint) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Project parts to the image, lengths in pixels at each part's own depth.

    The coordinates of a part have their origin at end a; the third axis is the line of sight in the squeezed space, the
    first is the projected axis of the part.

    Returns:
        geometry (18, N) as unpacked in `_cast`; bounding boxes low and high (N, 2), pixels; nearest (N,), metres.
    """
    camera = viewpoint.camera
    # Ends and radii in pixels
    a, b = viewpoint.to_optical(parts.a), viewpoint.to_optical(parts.b)
    nearest = (a[:, 2] + b[:, 2]) / 2 - parts.radii.mean(-1)
    near_a, near_b = np.maximum(a[:, 2], 1e-2), np.maximum(b[:, 2], 1e-2)
    scale = 2 * camera.fx / (near_a + near_b)
    pixel_a, pixel_b = np.nan_to_num(camera.project(a)), np.nan_to_num(camera.project(b))
    radii = parts.radii * camera.fx / np.stack([near_a, near_b], 1)

    # Line of sight in the squeezed space, in which the cross section is a circle
    wide = parts.wide @ viewpoint.rotation.T
    squeeze = np.eye(3) + (1 / parts.aspect - 1)[:, None, None] * wide[:, :, None] * wide[:, None, :]
    ray = (a + b) / (near_a + near_b)[:, None]
    ray[:, 2] = 1.0
    sight = np.einsum("nij,nj->ni", squeeze, ray)
    stretch = np.linalg.norm(sight, axis=-1)
    sight /= stretch[:, None]
    # A sphere, or a part that points at the camera, has no projected axis: any axis will do.
    axis = np.column_stack([pixel_b - pixel_a, np.zeros(len(a))]) + ((b - a)[:, 2] * scale)[:, None] * ray
    axis = np.einsum("nij,nj->ni", squeeze, axis) + np.array([1e-3, 0, 0])
    length = np.linalg.norm(axis, axis=-1)
    sine = np.einsum("ni,ni->n", axis, sight) / length
    first = axis - (sine * length)[:, None] * sight
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    # The part's own axes, and the direction to the light in them
    frame = np.stack([first, np.cross(sight, first), sight], 1)
    lit = np.einsum("nij,njk,k->ni", frame, squeeze, viewpoint.rotation @ LIGHT)
    lit /= np.linalg.norm(lit, axis=-1, keepdims=True)
    across = np.einsum("nij,njk->nik", frame, squeeze[:, :, :2])

    geometry = np.column_stack(
        [
            pixel_a,
            across.reshape(-1, 6),
            length,
            sine,
            np.sqrt(np.maximum(1 - sine**2, 1e-4)),
            radii[:, 0],
            (radii[:, 1] - radii[:, 0]) / length,
            lit,
            a[:, 2],
            1 / (scale * stretch),
        ]
    )
    reach = (radii.max(-1) * parts.aspect * np.linalg.norm(ray, axis=-1) + 1)[:, None]
    low, high = np.minimum(pixel_a, pixel_b) - reach, np.maximum(pixel_a, pixel_b) + reach
    return geometry.T.astype(np.float32), low, high, nearest


def _cast(geometry: np.ndarray, low: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cast a ray for every pixel of every box.

    Args:
        geometry: (18, N) from `_as_seen`.
        low, size: (N, 2) corner, and width and height, of the boxes.

    Returns:
        (P,) each, box by box in row-major order: coverage [0, 1], depth in metres, brightness.
    """
    counts = size.prod(-1)
    index = np.arange(counts.sum(), dtype=np.int32) - np.repeat((np.cumsum(counts) - counts).astype(np.int32), counts)
    width = np.repeat(size[:, 0].astype(np.int32), counts)
    row = index // width
    column = index - row * width
    (left, top), corner = geometry[:2], low.T
    geometry = np.repeat(
        np.vstack([corner[0] - left, corner[1] - top, geometry[2:]]).astype(np.float32), counts, axis=1
    )
    left, top, sx, sy, ex, ey, gx, gy, length, sine, cosine, r0, taper, l1, l2, l3, depth_a, metres = geometry
    x, y = left + column.astype(np.float32), top + row.astype(np.float32)
    along, beside = sx * x + sy * y, ex * x + ey * y

    # q(t) = base + 2 bend t - opening t^2 is the squared half chord that the sphere at t cuts out of the ray. It is
    # greatest where the ray passes the part's outline; the sphere met first has the least sine t - sqrt(q(t)).
    base = r0 * r0 - along * along - beside * beside
    bend = r0 * taper + along * cosine
    opening = cosine * cosine - taper * taper
    # A part that points at the camera has no opening: only an end is visible.
    positive = np.maximum(opening, 1e-4)
    middle = bend / positive
    t = np.minimum(np.maximum(middle, 0), length)
    outline = base + t * (2 * bend - opening * t)
    cover = np.minimum(np.maximum(outline / (2 * (r0 + taper * t)) + 0.5, 0), 1)
    ahead = np.sqrt(np.maximum(base + bend * middle, 0) / (positive * (positive + sine * sine)))
    t = np.minimum(np.maximum(middle - sine * ahead, 0), length)
    radius = r0 + taper * t
    off = along - cosine * t
    front = np.sqrt(np.maximum(base + t * (2 * bend - opening * t), 0))
    depth = depth_a + metres * (sine * t - front - gx * x - gy * y)

    lit = np.maximum((l1 * off + l2 * beside - l3 * front) / radius + 1, 0) / 2
    rim = 1 - front / radius
    return cover, depth, AMBIENT + DIFFUSE * lit * lit - EDGE_DARKENING * rim * rim
