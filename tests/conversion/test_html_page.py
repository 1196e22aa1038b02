"""The page as a person meets it: in a browser, by eye, by ear and by hand."""

import re

import pytest

from page_students import page_student

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    '"><svg onload=alert(3)>&amp;',
    "$script ${1}",
)
TEXT = "The film is not good, the cafe is bad!"
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const over = (color, below) => {  // what a colour with alpha is on another
    canvas.fillStyle = `rgb(${below})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
  const paper = over(getComputedStyle(document.body).backgroundColor, [0, 0, 0]);
  const texts = ".word, .note, .answer, .name, .number, .lead, footer, label, h1, h2, h3";
  return [...document.querySelectorAll(texts)].filter((one) => one.checkVisibility() && one.textContent).map((one) => {
    const style = getComputedStyle(one), ground = over(style.backgroundColor, paper);
    const [dark, bright] = [light(ground), light(over(style.color, ground))].sort((one, other) => one - other);
    return [one.className || one.localName, (bright + 0.05) / (dark + 0.05)];
  });
}
"""


def _type(page, text=TEXT):
    page.fill("#text", text)
    page.locator("#words:not(.waiting) .word").first.wait_for()


@pytest.mark.parametrize("kind", ["fasttext", "cnn", "bilstm"])
def test_a_text_is_answered_and_each_of_its_words_is_tinted(open_page, kind):
    student = page_student(kind)
    page = open_page(student)
    assert not page.is_visible("#found")
    _type(page)
    answer, words = page.inner_text("#answer"), page.locator("#words .word")
    assert answer.startswith(student.predictor().predict([TEXT])[0])
    assert page.inner_text("#words") == TEXT
    assert words.all_inner_texts() == re.findall(r"\w+|[,!]", TEXT)
    strengths = words.evaluate_all("words => words.map((word) => Number(word.style.getPropertyValue('--strength')))")
    assert 0 < max(strengths) <= 1
    shares = [float(share.split()[0]) for share in page.locator("#classes .number").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    page.fill("#text", "")
    assert not page.is_visible("#found")
    assert page.complaints == []


def test_it_opens_nothing_but_itself(open_page):
    page = open_page("fasttext")
    _type(page)
    assert [request.partition(":")[0] for request in page.requests] == ["file"]
    reached = page.evaluate("fetch('data:text/plain,there').then(() => true, () => false)")
    assert reached is False
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_names_and_texts_are_never_markup(open_page, task):
    page = open_page(page_student("cnn", names=HOSTILE, task=task))
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    before = page.evaluate("document.querySelectorAll('img, svg, script').length")
    _type(page, " ".join(HOSTILE))
    assert page.inner_text("#words") == " ".join(HOSTILE)
    assert page.locator("#classes .name").all_inner_texts() == list(HOSTILE)
    assert page.locator("#class option").all_inner_texts()[1:] == list(HOSTILE)
    page.select_option("#class", "2")
    assert page.evaluate("document.querySelectorAll('img, svg, script').length") == before
    assert (dialogs, page.complaints) == ([], [])


def test_a_name_turns_no_direction(open_page):
    page = open_page(page_student("cnn", names=("\u202eneg", "\x1b[31mred", "plain")))
    _type(page, "the film")
    assert page.locator("#class option").all_inner_texts()[1:] == ["\\u202eneg", "\\x1b[31mred", "plain"]
    assert "\u202e" not in page.inner_text("body")


def test_markup_that_gets_in_all_the_same_does_nothing(open_page):
    page = open_page("fasttext")
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.evaluate("text => document.getElementById('words').innerHTML = text", HOSTILE[0])
    page.wait_for_timeout(200)
    assert dialogs == []
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


def test_the_words_can_be_seen_from_each_class(open_page):
    page = open_page("cnn")
    _type(page)
    tints = {}
    for value in ("", "0", "1", "2"):
        page.select_option("#class", value)
        tints[value] = page.eval_on_selector_all("#words .word", "words => words.map((word) => word.title)")
    assert tints[""] in [tints["0"], tints["1"], tints["2"]]
    assert tints["0"] != tints["1"] != tints["2"]


def test_the_keyboard_is_enough_and_what_changes_is_read_out(open_page):
    page = open_page("fasttext")
    page.keyboard.press("Tab")
    page.keyboard.type("good film")
    page.locator("#said:not(:empty)").wait_for(state="attached")
    assert page.inner_text("#answer") == page.text_content("#said")
    assert page.get_attribute("#said", "role") == "status"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "class"
    page.keyboard.press("ArrowDown")
    assert page.input_value("#class") == "0"


def test_the_last_text_wins_however_fast_it_is_typed(open_page):
    page = open_page("bilstm")
    page.evaluate("""() => {
      const box = document.getElementById("text");
      for (const text of ["good ".repeat(20), "bad film", "istanbul cafe"]) {
        box.value = text;
        box.dispatchEvent(new Event("input"));
      }
    }""")
    page.locator("#words:not(.waiting) .word").first.wait_for()
    assert page.inner_text("#words") == "istanbul cafe"


@pytest.mark.parametrize("width", [1200, 400])
def test_nothing_is_wider_than_the_window(open_page, width):
    names = ("a name that is as long as a sentence and does not end " * 3, "N" * 200, "short")
    page = open_page(page_student("cnn", names=names), viewport={"width": width, "height": 900})
    _type(page, "good film " + "x" * 500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(open_page, scheme):
    page = open_page("fasttext", color_scheme=scheme)
    _type(page, f"{TEXT} " + "good bad film " * 12)
    found = page.evaluate(CONTRAST)
    assert {"word for strong", "word against strong", "word unread"} <= {name for name, _ in found}
    assert [(name, contrast) for name, contrast in found if contrast < 4.5] == []


def test_many_classes_are_cut_to_the_most_probable(open_page):
    student = page_student("fasttext", names=tuple(f"class {index}" for index in range(40)))
    page = open_page(student)
    _type(page)
    best = student.predictor().predict_proba([TEXT])[0].argsort()[::-1][:10]
    assert page.locator("#classes .name").all_inner_texts() == [f"class {index}" for index in best]
    assert page.inner_text("#more") == "The 10 most probable of 40."


def test_a_score_is_a_number(open_page):
    student = page_student("fasttext", names=("stars",), task="score", standardisation=(3.2, 1.4))
    page = open_page(student)
    _type(page)
    assert page.inner_text("#answer") == f"stars: {student.predictor().predict([TEXT])[0]:.3f}".replace("-", "−")
    assert not page.is_visible("#classes")
    assert page.complaints == []


def test_where_no_label_is_answered_it_says_so(open_page):
    student = page_student("fasttext", task="multi-label", decision={"thresholds": [1.0, 1.0, 1.0]})
    page = open_page(student)
    _type(page)
    assert page.inner_text("#answer") == "none of them"
