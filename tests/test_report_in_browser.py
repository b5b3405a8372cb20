"""The page in a real browser: figures, the explorer by mouse and keyboard, phone, printing."""

import base64
import contextlib
import re
import shutil

import imageio.v3 as iio
import numpy as np
import pytest
from report_runs import CLASSES, embedded, make_run

from sklearn_cellfate.report import write_report
from sklearn_cellfate.report._read import read_run

pytestmark = pytest.mark.slow

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="module")
def made():
    return make_run()


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"the page was not tried in a browser: none of {', '.join(names)} is here")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, made):
    with opened(browser, made.path) as page:
        yield page


@contextlib.contextmanager
def opened(browser, path):
    """Open a page; at the end nothing may have gone wrong in it or been asked of a network."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.locator(".plane .dot").first.wait_for(state="attached")
    page.locator(".tools").evaluate("tools => tools.scrollIntoView({behavior: 'instant'})")
    yield page
    assert not wrong
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    page.close()


@pytest.fixture
def data(made):
    return embedded(made.page)


def lonely(data, among=None):
    """Positions of cells, those farthest from their neighbours first."""
    points = np.array(data["points"])
    distances = np.linalg.norm(points[:, np.newaxis] - points, axis=2) + np.eye(len(points)) * 99
    order = np.argsort(-distances.min(axis=1))
    return [cell for cell in order.tolist() if among is None or among[cell]]


def centre(page, row):
    box = page.locator(f'.dot[data-row="{row}"]').bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tile(data, name, number):
    """The grey values of a tile of a sprite."""
    sprite = read_png(data[name]["src"])
    (width, height), columns = data["tile"], data[name]["columns"]
    row, column = divmod(number, columns)
    part = sprite[row * height : (row + 1) * height, column * width : (column + 1) * width]
    return part.ravel().tolist()


def read_png(uri):
    return iio.imread(base64.b64decode(uri.split(",")[1]))


def drawn(page, selector, number):
    """The grey values of a canvas once it shows a tile."""
    canvas = page.locator(f'{selector}[data-tile="{number}"]')
    canvas.wait_for()
    page.wait_for_timeout(50)
    return read_png(canvas.evaluate("canvas => canvas.toDataURL()"))[..., 0].ravel().tolist()


def test_every_figure_is_drawn(page):
    figures = page.locator("figure img")
    assert figures.count() == 9
    sizes = figures.evaluate_all("all => all.map(one => [one.complete, one.naturalWidth])")
    assert all(complete and width > 100 for complete, width in sizes)
    shown = figures.evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
    assert sum(width > 200 for width in shown) == 8  # the latent plane is explored instead


def test_names_of_the_user_do_nothing(page):
    buttons = page.locator(".tools button").all_inner_texts()
    assert buttons[:2] == sorted(CLASSES)


def test_a_click_on_a_dot_shows_that_cell(page, data):
    for cell in lonely(data)[:4]:
        page.mouse.click(*centre(page, data["rows"][cell]))
        assert page.locator(".chosen").get_attribute("data-row") == str(data["rows"][cell])
        cells = page.locator(".chosen tbody td").all_inner_texts()
        assert cells == data["values"][cell]
        heads = page.locator(".chosen tbody th").all_inner_texts()
        assert heads == data["columns"]
        odds = page.locator(".chance span").all_inner_texts()
        assert odds == [f"{value:.2f}" for value in data["probabilities"][cell]]
        assert drawn(page, ".crop", cell) == tile(data, "crops", cell)
        assert drawn(page, ".reconstruction", cell) == tile(data, "reconstructions", cell)
        spoken = page.locator("[aria-live]").inner_text()
        seen = "held out" if data["heldOut"][cell] else "trained on"
        assert spoken.startswith(f"Row {data['rows'][cell]}: ") and seen in spoken


def test_a_finger_need_not_hit_the_dot_exactly(page, data):
    cell = lonely(data)[0]
    x, y = centre(page, data["rows"][cell])
    page.mouse.click(x + 8, y - 8)
    assert page.locator(".chosen").get_attribute("data-row") == str(data["rows"][cell])


def test_moving_over_the_plane_decodes(page, made):
    decoded = read_run(made.folder).latents["decoded"]
    frame = page.locator(".plane .frame").bounding_box()
    for row, column in [(0, 0), (10, 17), (23, 23)]:
        x = frame["x"] + (column + 0.5) / 24 * frame["width"]
        y = frame["y"] + (row + 0.5) / 24 * frame["height"]
        page.mouse.move(x, y)
        shown = drawn(page, ".decoded canvas", row * 24 + column)
        assert shown == decoded[row, column].ravel().tolist()


def test_held_out_rows_are_marked(page, data):
    marked = page.locator(".dot.held").evaluate_all("all => all.map(dot => +dot.dataset.row)")
    expected = [row for row, held in zip(data["rows"], data["heldOut"]) if held]
    assert sorted(marked) == sorted(expected) and len(expected) == 22


def test_buttons_hide_dots(page, data):
    def visible():
        shown = page.locator('.dot[visibility="visible"]')
        return set(shown.evaluate_all("all => all.map(dot => +dot.dataset.row)"))

    def rows(of):
        return {row for row, kind, held in zip(*map(data.get, WHAT)) if of(kind, held)}

    buttons = page.locator(".tools button")
    assert visible() == set(data["rows"])
    buttons.nth(0).click()
    assert buttons.nth(0).get_attribute("aria-pressed") == "false"
    assert visible() == rows(lambda kind, held: kind == 1)
    hidden = next(cell for cell in lonely(data) if data["classOf"][cell] == 0)
    page.mouse.click(*centre(page, data["rows"][hidden]))
    chosen = page.locator(".chosen").get_attribute("data-row")
    assert chosen != str(data["rows"][hidden])
    page.get_by_role("button", name="held-out cells only").click()
    assert visible() == rows(lambda kind, held: kind == 1 and held)
    buttons.nth(0).click()
    assert visible() == rows(lambda kind, held: held)


WHAT = ("rows", "classOf", "heldOut")


def test_a_cell_is_let_go_when_its_class_is_hidden(page, data):
    cell = lonely(data)[0]
    page.mouse.click(*centre(page, data["rows"][cell]))
    page.locator(".tools button").nth(data["classOf"][cell]).click()
    assert page.locator(".chosen").is_hidden()


def test_the_decoded_plane_can_lie_behind(page):
    assert page.locator(".plane image").count() == 0
    page.get_by_role("button", name="decoded cells behind").click()
    frame, behind = (page.locator(f".plane {one}").bounding_box() for one in (".frame", "image"))
    assert all(abs(frame[side] - behind[side]) <= 1 for side in frame)


def test_the_explorer_by_keyboard(page, data):
    page.get_by_role("button", name="decoded cells behind").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.classList.contains('plane')")
    page.keyboard.press("ArrowRight")  # to the cell in the middle
    told = [page.locator("[aria-live]").inner_text()]
    assert page.locator(".chosen").is_hidden()
    for key in ("ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        told.append(page.locator("[aria-live]").inner_text())
    at = [int(re.match(r"Row (\d+):", text)[1]) for text in told]
    (x0, _), (x1, y1), (_, y2) = (data["points"][data["rows"].index(row)] for row in at)
    assert x1 > x0 and y2 > y1
    page.keyboard.press("Enter")
    assert page.locator(".chosen").get_attribute("data-row") == str(at[-1])
    assert page.locator(".chosen tbody td").first.inner_text() == str(at[-1])
    page.keyboard.press("Escape")
    assert page.locator(".chosen").is_hidden()


def test_a_network_without_decoder(browser, made, data, tmp_path):
    folder = shutil.copytree(
        made.folder, tmp_path / "run", ignore=shutil.ignore_patterns("traversal.*")
    )
    arrays = read_run(made.folder).latents
    del arrays["decoded"], arrays["reconstructions"]
    np.savez(folder / "latents.npz", **arrays)
    path = write_report(folder, tmp_path / "report.html")
    with opened(browser, path) as page:
        cell = lonely(data)[0]
        page.mouse.click(*centre(page, data["rows"][cell]))
        assert drawn(page, ".crop", cell) == tile(data, "crops", cell)
        assert page.locator(".reconstruction").is_hidden()
        assert page.locator(".decoded").is_hidden()


def test_a_phone_does_not_scroll_sideways(page, data):
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_timeout(200)
    page.locator(".tools").evaluate("tools => tools.scrollIntoView({behavior: 'instant'})")
    cell = lonely(data)[0]
    page.mouse.click(*centre(page, data["rows"][cell]))
    assert page.locator(".chosen").get_attribute("data-row") == str(data["rows"][cell])
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    beyond = page.evaluate("""[...document.querySelectorAll('body *')].filter(one =>
        one.getBoundingClientRect().right > 361 && !one.closest('.scroll, .picture')).length""")
    assert beyond == 0
    for width in (768, 1000, 1100, 1920):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.set_viewport_size({"width": 360, "height": 740})
    scrolls = page.locator(".scroll").evaluate_all(
        "all => all.some(one => one.scrollWidth > one.clientWidth)"
    )
    assert scrolls  # wide tables move inside their own box


def test_the_page_prints_with_all_figures_whole(page):
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 between its margins
    boxes = page.locator("figure img").evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().width, "
        "one.getBoundingClientRect().height, one.naturalWidth / one.naturalHeight])"
    )
    assert len(boxes) == 9
    for width, height, ratio in boxes:
        assert 150 < width <= 680 and height <= 1000
        assert width / height == pytest.approx(ratio, rel=0.02)
    kept = page.locator("figure").evaluate_all(
        "all => all.map(o => getComputedStyle(o).breakInside)"
    )
    assert set(kept) == {"avoid"}
    assert page.locator("#explorer").is_hidden()
