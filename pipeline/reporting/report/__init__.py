"""One HTML page about a run or a sweep: no network, no library in the page, drawings in plain SVG."""
