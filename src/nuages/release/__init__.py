"""Stage 5: an immutable build with an id, in the site's store."""

from nuages.release.build import Build, Order, build_release
from nuages.release.layout import Layout, local_site


__all__ = ["Build", "Layout", "Order", "build_release", "local_site"]
