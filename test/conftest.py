"""Tests share a small machine: one thread per process is faster than two that wait for each other."""

import torch

torch.set_num_threads(1)
