"""The graph as a whole: start it, monitor it, stop it and measure it."""
