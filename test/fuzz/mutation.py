"""Random bytes and values: damaged valid ones, and those at which parsers fail."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

INTEGERS = (0, 1, 2, 3, 7, 15, 16, 17, 18, 127, 128, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
"""Where sizes and signs overflow; the largest fit into an unsigned 32-bit field."""

FLOATS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-300,
    -1e-300,
    1e30,
    -1e30,
    1e38,
    1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
)

WORDS = (
    "", " ", "0", "-1", "1e999", "nan", "inf", "true", "null", "NULL", "h36m17", "\0", "\n", "é", "\ud7ff", "../../etc",
    "a" * 300, "9" * 5000, "[" * 3000, "{" * 300, "!!python/object/apply:os.system", "%s%n",
)  # fmt: skip


def number(random: Random) -> int:
    """An integer, often an extreme one."""
    return random.choice(INTEGERS) if random.random() < 0.7 else random.getrandbits(32)


def real(random: Random) -> float:
    """A number, often an extreme one."""
    return random.choice(FLOATS) if random.random() < 0.5 else random.gauss(0, 10 ** random.randint(-3, 6))


def blob(random: Random, longest: int) -> bytes:
    return random.getrandbits(8 * longest).to_bytes(longest, "little")[: random.randint(0, longest)] if longest else b""


def value(random: Random, depth: int = 2) -> Any:
    """A value of any type of JSON and YAML."""
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: random.random() < 0.5,
        lambda: number(random) * random.choice((1, -1)),
        lambda: 10 ** random.choice((18, 19, 400)),
        lambda: real(random),
        lambda: random.choice(WORDS[:18]),
    ]
    if depth:
        kinds += [
            lambda: [value(random, depth - 1) for _ in range(random.randint(0, 4))],
            lambda: {random.choice(WORDS[:10]): value(random, depth - 1) for _ in range(random.randint(0, 3))},
        ]
    return random.choice(kinds)()


def changed(random: Random, tree: Any) -> Any:
    """A tree of JSON with one place in it replaced, removed or repeated."""
    if isinstance(tree, dict) and tree and random.random() < 0.9:
        key = random.choice(sorted(tree))
        rest = {name: item for name, item in tree.items() if name != key}
        fate = random.random()
        if fate < 0.1:
            return rest
        return rest | ({random.choice(WORDS): tree[key]} if fate < 0.2 else {key: changed(random, tree[key])})
    if isinstance(tree, list) and tree and random.random() < 0.8:
        place = random.randrange(len(tree))
        fate = random.random()
        if fate < 0.1:
            return tree[:place] + tree[place + 1 :]
        if fate < 0.2:
            return tree[: place + 1] + tree[place:]
        return [*tree[:place], changed(random, tree[place]), *tree[place + 1 :]]
    return value(random)


def damaged(random: Random, whole: bytes, words: Sequence[bytes] = ()) -> bytes:
    """Damage a valid file in one to eight places.

    Args:
        words: keywords of the format, inserted or written over other bytes.
    """
    data = bytearray(whole)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randint(0, len(data))
        wound = random.randrange(8)
        if wound == 0:
            del data[at:]
        elif wound == 1 and data:
            data[at % len(data)] ^= 1 << random.randrange(8)
        elif wound == 2:
            data[at : at + random.choice((1, 2, 4, 8))] = blob(random, 8)
        elif wound == 3:
            size = random.choice((1, 2, 4, 8))
            data[at : at + size] = (number(random) % 256**size).to_bytes(size, random.choice(("little", "big")))
        elif wound == 4:
            del data[at : at + random.randint(1, 64)]
        elif wound == 5:
            other = random.randint(0, len(data))
            data[at:at] = data[other : other + random.randint(1, 64)]
        elif wound == 6 and words:
            word = random.choice(words)
            data[at : at + random.choice((0, len(word)))] = word
        elif wound == 7:
            data[at:at] = random.choice(WORDS).encode("utf-8", "surrogatepass")
    return bytes(data)


def retold(random: Random, whole: bytes, words: Sequence[str]) -> bytes:
    """A text with one to four of its words replaced, by others of it, by the format's own or by hostile ones."""
    parts = whole.decode("latin-1").split(" ")
    for _ in range(random.choice((1, 1, 2, 4))):
        parts[random.randrange(len(parts))] = random.choice(
            (random.choice(parts), random.choice([*words, *WORDS]), str(number(random)), str(real(random)))
        )
    return " ".join(parts).encode("latin-1", "replace")
