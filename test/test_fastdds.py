"""Only processes that send images start with our Fast DDS profile, whose shared memory is large."""

import os

import pytest

from uplift_ros import fastdds

USUAL, FORMER = fastdds.PROFILE_VARIABLES


@pytest.fixture
def only(monkeypatch):
    """only(variable, profile): set one variable, and not the other."""

    def set_only(variable: str, profile: str) -> None:
        for name in fastdds.PROFILE_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, profile)

    return set_only


@pytest.mark.parametrize(("distribution", "variable"), [("kilted", USUAL), ("jazzy", FORMER), (None, USUAL)])
def test_our_profile_is_selected_by_the_variable_of_the_distribution(distribution, variable):
    environment = {"ROS_DISTRO": distribution} if distribution else {}
    assert fastdds.image_profile(environment) == {variable: str(fastdds.own_profile())}


@pytest.mark.parametrize("variable", fastdds.PROFILE_VARIABLES)
def test_the_users_own_profile_is_kept(variable, only):
    assert fastdds.image_profile({variable: "/mine.xml"}) == {}
    only(variable, "/mine.xml")
    fastdds.save_memory()
    assert fastdds.chosen_profile(os.environ) == (variable, "/mine.xml")


@pytest.mark.parametrize("variable", fastdds.PROFILE_VARIABLES)
def test_a_process_that_sends_no_images_drops_ours_by_whatever_path(variable, only, tmp_path):
    link = tmp_path / "profile.xml"
    link.symlink_to(fastdds.own_profile())
    only(variable, str(link))
    fastdds.save_memory()
    assert fastdds.chosen_profile(os.environ) is None
