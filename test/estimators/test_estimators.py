import pytest

from uplift_ros import estimators
from uplift_ros.settings import NodeSettings, defaults_of

OPTIONS = defaults_of("pose_estimator")


@pytest.mark.parametrize("backend", ["openpose", "mediapipe"])
def test_an_unknown_backend_is_refused_with_the_ones_there_are(backend):
    with pytest.raises(ValueError, match="backend"):
        estimators.create(backend, OPTIONS)


def test_a_backend_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(
        estimators.BACKENDS, "other", estimators.Backend("a_package_that_is_missing.module", "other==1.0", ())
    )
    with pytest.raises(ImportError, match="a_package_that_is_missing"):
        estimators.create("other", OPTIONS)


@pytest.mark.parametrize(("backend", "changed"), [("blazepose", {"person_class": 3}), ("onnx", {"model": "lite"})])
def test_a_parameter_of_another_backend_is_known_to_have_no_effect(monkeypatch, backend, changed):
    chosen = estimators.BACKENDS[backend]
    monkeypatch.setattr(f"{chosen.module}.create", lambda **parameters: parameters)
    parameters = NodeSettings("pose_estimator", defaults_of("pose_estimator", **changed))
    assert set(estimators.create(backend, parameters)) == set(chosen.parameters)
    assert parameters.without_effect == list(changed)
