"""The HTML pages for members."""
