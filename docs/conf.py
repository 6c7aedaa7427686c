"""The site of the documentation (`make docs`): Sphinx reads the Markdown of this folder, in both languages."""

project = "ordersite"
copyright = "the ordersite authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
html_theme = "furo"
html_title = "ordersite"
html_show_sphinx = False
html_copy_source = False
# `](page.md#a-heading)` is checked like a link to a page.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nitpicky = True
