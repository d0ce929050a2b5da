import pytest

from uplift_ros import estimators

OPTIONS = {"model": "full", "model_path": "", "device": "cpu", "max_persons": 1, "score_threshold": 0.7}


@pytest.mark.parametrize("backend", ["openpose", "mediapipe"])
def test_an_unknown_backend_is_refused_with_the_ones_there_are(backend):
    with pytest.raises(ValueError, match="backend"):
        estimators.create(backend, **OPTIONS)


def test_a_backend_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(estimators.BACKENDS, "other", ("a_package_that_is_missing.module", "other==1.0"))
    with pytest.raises(ImportError, match="a_package_that_is_missing"):
        estimators.create("other", **OPTIONS)
