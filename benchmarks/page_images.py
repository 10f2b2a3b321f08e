"""Time a sort and a filter of the table of images in Chromium: `PYTHONPATH=tests python benchmarks/page_images.py`.

Prints the milliseconds of each until the visible rows stand in the document, for 10,000 rows.
"""

import tempfile
from pathlib import Path

from browser import running_browser
from exhibits_page import exhibits_page, image_rows, images_source

ROWS = 10_000
SORT = "document.querySelector('.rows th[data-name={}] button').click()"
CHANGE = """(() => {{ const field = document.querySelector('.filters [name={}]'); field.value = '{}';
  field.dispatchEvent(new Event(field.tagName === 'SELECT' ? 'change' : 'input')); }})()"""
ACTIONS = {
    "sort by first flipped": SORT.format("flipped"),
    "sort by image": SORT.format("id"),
    "filter by class": CHANGE.format("label", "1"),
    "search": CHANGE.format("search", "image-000"),
}


def main() -> None:
    """Open a page with 10,000 rows and print the time of each action."""
    rows = image_rows([f"image-{one:05d}" for one in range(ROWS // 2)])
    with tempfile.TemporaryDirectory() as folder, running_browser(Path(folder) / "profile") as browser:
        page = Path(folder) / "page.html"
        page.write_text(exhibits_page([], [images_source(rows)]), encoding="utf-8")
        tab = browser.tab()
        tab.open(page)
        for name, action in ACTIONS.items():
            timed = f"(() => {{ const start = performance.now(); {action}; return performance.now() - start; }})()"
            print(f"{name}: {tab.js(timed):.1f} ms of {ROWS} rows")


if __name__ == "__main__":
    main()
