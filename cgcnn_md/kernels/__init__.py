"""The two hot loops: neighbour search and gated convolution, each with a plain reference beside it."""
