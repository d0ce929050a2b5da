"""Where config/, launch/ and weights/ lie: in the checkout, or in share/uplift_ros of the installation."""

from pathlib import Path


def share_folder() -> Path:
    """The folder that holds config/, launch/ and weights/.

    Raises:
        FileNotFoundError: the package was installed without them.
    """
    package = Path(__file__).absolute().parent
    if (package.parent / "package.xml").exists():
        return package.parent
    for prefix in package.parents:
        if (prefix / "share" / "uplift_ros" / "config").is_dir():
            return prefix / "share" / "uplift_ros"
    raise FileNotFoundError(f"no share/uplift_ros above {package}: is uplift_ros installed?")
