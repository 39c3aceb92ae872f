"""Sphinx: `make docs` builds with -n -W, so that a broken link or an orphan page fails."""

project = "Nuages"
author = "Nuages contributors"
copyright = author
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Nuages"
html_static_path = ["_static"]
html_css_files = ["nuages.css"]
pygments_style = "tango"
highlight_language = "console"
