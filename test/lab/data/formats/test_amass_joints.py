"""AMASS as joints, one file for each dataset."""

import numpy as np
import pytest
from support import paper_data

from uplift_ros.lab.data.formats import load


def test_a_folder_of_datasets_is_read_at_its_captured_places(tmp_path):
    cmu, sfu = load(paper_data.write_amass_joints(tmp_path / "amass"), 50.0)
    assert (cmu.name, sfu.name) == ("CMU/01/01_01_poses", "SFU/01/01_01_poses")
    np.testing.assert_allclose(cmu.joints, paper_data.motion(0, 80), atol=1e-6)


def test_a_damaged_file_among_others_is_refused(tmp_path):
    folder = paper_data.write_amass_joints(tmp_path / "amass")
    (folder / "SFU.npz").write_bytes((folder / "SFU.npz").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"SFU\.npz"):
        load(folder, 50.0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"positions_3d": np.zeros((5, 24, 3)), "frame_rate": 50}, r"\(T, 17, 3\)"),
        ({"positions_3d": np.zeros((5, 17, 3)), "frame_rate": 0}, "frame_rate"),
        ({"positions_3d": np.zeros((5, 17, 3))}, "frame_rate"),
        ({"positions_3d": np.full((5, 17, 3), np.nan), "frame_rate": 50}, "finite"),
    ],
)
def test_another_form_is_refused_with_its_take(tmp_path, entry, message):
    np.savez(tmp_path / "CMU.npz", positions_3d={"01": {"walk": entry}})
    with pytest.raises(ValueError, match=f"CMU.npz, array 'positions_3d', 01, walk.*{message}"):
        load(tmp_path / "CMU.npz", 50.0)
