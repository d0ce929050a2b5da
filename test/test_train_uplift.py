"""Options of the uplifting network's training."""

from argparse import ArgumentParser

import numpy as np

from uplift_ros.models import weights
from uplift_ros.models.uplift import UpliftConfig, UpliftUpsample
from uplift_ros.training import uplift


def test_an_ablation_trains_without_its_stages_and_at_its_strides(tmp_path, monkeypatch):
    small = UpliftConfig(spatial_width=8, spatial_blocks=1, temporal_width=16, temporal_blocks=1, heads=2)
    monkeypatch.setitem(uplift.VARIANTS, "compact", lambda: small)
    motion = np.random.default_rng(0).normal(0, 0.3, (90, 17, 3)).astype(np.float32)
    np.savez(tmp_path / "mocap.npz", fps=50.0, **{"a/walk/1": motion})
    parser = ArgumentParser()
    uplift.add_arguments(parser)
    short = ["--steps", "2", "--batch", "2", "--threads", "1", "--out", str(tmp_path)]
    ablation = ["--ablate", "deferred", "spatial", "strided", "--strides", "20"]
    assert uplift.main(parser.parse_args(["--data", str(tmp_path / "mocap.npz"), *short, *ablation])) == 0
    config = weights.load(str(tmp_path / "compact.safetensors"), UpliftUpsample).config
    assert (config.deferred, config.spatial, config.strided) == (False, False, False)
    assert config.input_strides == (20,)
