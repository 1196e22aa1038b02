// The page itself: what is typed is answered at once, then explained; names and words are text, never HTML.

const SHOWN = 10;  // classes, where there are more of them
const STRONGEST = 8;
const QUIET = 700;  // milliseconds without typing, after which the answer is read out
const BUSY = 12;  // milliseconds of work before the page may do something else

const byId = (id) => document.getElementById(id);
const pause = () => new Promise((resolve) => setTimeout(resolve, 0));
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

/** Return an element of text; its parts are elements too. */
function element(kind, className, ...parts) {
  const made = document.createElement(kind);
  made.className = className;
  made.append(...parts);
  return made;
}

function bar(share, threshold) {
  const made = element("span", "bar", element("i", ""));
  made.style.setProperty("--share", Math.min(Math.abs(share), 1));
  if (threshold !== undefined) {
    made.append(element("b", ""));
    made.style.setProperty("--threshold", threshold);
  }
  made.ariaHidden = "true";
  return made;
}

class Page {
  constructor(student) {
    this.student = student;
    this.names = student.names;
    this.latest = 0;
    const classes = byId("class");
    classes.append(new Option("its answer", ""), ...this.names.map((name, index) => new Option(name, index)));
    byId("choice").hidden = this.names.length < 2;
    classes.addEventListener("change", () => this.showParts());
    byId("text").addEventListener("input", () => this.update());
    byId("note").textContent = "";
    this.update();
  }

  async update() {
    const turn = ++this.latest;
    const text = byId("text").value;
    byId("found").hidden = !text;
    byId("said").textContent = "";
    clearTimeout(this.timer);
    if (!text) return;
    this.answer = this.student.answer(text);
    this.showAnswer();
    this.timer = setTimeout(() => (byId("said").textContent = byId("answer").textContent), QUIET);
    byId("words").classList.add("waiting");
    await pause();
    const explanation = await this.explained(text, () => turn === this.latest);
    if (!explanation) return;
    Object.assign(this, { text, explanation });
    this.showParts();
  }

  /** Return the explanation; nothing where another text has been typed meanwhile. */
  async explained(text, isWanted) {
    const steps = this.student.explain(text);
    let until = performance.now() + BUSY;
    for (;;) {
      if (!isWanted()) return undefined;
      const { done, value } = steps.next();
      if (done) return value;
      if (performance.now() < until) continue;
      await pause();
      until = performance.now() + BUSY;
    }
  }

  showAnswer() {
    const { logits, shares, answered } = this.answer;
    const { thresholds } = this.student.task;
    byId("answer").textContent = this.inWords();
    byId("class").options[0].text = `its answer (${this.names[this.foremost()]})`;
    if (!shares) {
      byId("classes").hidden = true;
      return;
    }
    let shown = [...shares.keys()];
    if (shown.length > SHOWN) shown = shown.sort((one, other) => logits[other] - logits[one]).slice(0, SHOWN);
    byId("classes").replaceChildren(...shown.map((index) => element(
      "li", answered.includes(index) ? "answered" : "",
      element("span", "name", this.names[index]),
      bar(shares[index], thresholds?.[index]),
      element("span", "number", percent(shares[index])),
    )));
    byId("more").textContent = [
      shown.length < shares.length ? `The ${shown.length} most probable of ${shares.length}.` : "",
      thresholds ? "The line in a bar is the probability from which on the label is answered." : "",
    ].join(" ").trim();
    byId("more").hidden = !byId("more").textContent;
  }

  inWords() {
    const { logits, shares, answered } = this.answer;
    if (!shares) return `${this.names[0]}: ${logits[0].toPrecision(4).replace("-", "−")}`;
    if (!answered.length) return "none of them";
    return answered.map((index) => `${this.names[index]}, ${percent(shares[index])}`).join(" · ");
  }

  /** Show what each word did for the class that is chosen. */
  showParts() {
    if (!this.explanation) return;
    const { words, seen, exact } = this.explanation;
    const values = this.student.evidence(this.explanation, this.chosen());
    const most = Math.max(...values.map(Math.abs), this.student.task.least);
    const pieces = [];
    let end = 0;
    words.forEach(([start, stop], word) => {
      const shown = this.text.slice(start, stop);
      pieces.push(this.text.slice(end, start), this.wordElement(shown, values[word], most, seen[word]));
      end = stop;
    });
    byId("words").replaceChildren(...pieces, this.text.slice(end));
    byId("words").classList.remove("waiting");
    byId("cut").hidden = seen.every(Boolean);
    byId("cut").textContent =
      `The student sees ${this.student.maxLength} tokens of a text; what is in italics is not among them.`;
    this.showStrongest(values, most);
    byId("how").textContent = this.howTold(exact);
  }

  wordElement(word, value, most, seen) {
    const strength = Math.abs(value) / most;
    const made = element("span", seen ? `word ${value < 0 ? "against" : "for"}` : "word unread", word);
    made.style.setProperty("--strength", strength.toFixed(3));
    made.classList.toggle("strong", strength > 0.2);
    if (seen) made.title = signed(value);
    return made;
  }

  showStrongest(values, most) {
    const { words } = this.explanation;
    const order = [...values.keys()].filter((word) => values[word]);
    order.sort((one, other) => Math.abs(values[other]) - Math.abs(values[one]));
    byId("strongest").replaceChildren(...order.slice(0, STRONGEST).map((word) => element(
      "li", values[word] < 0 ? "against" : "for",
      element("span", "name", this.text.slice(...words[word])),
      bar(values[word] / most),
      element("span", "number", signed(values[word])),
    )));
  }

  howTold(exact) {
    const { what } = this.student.task;
    return exact
      ? `What each word adds to ${what}; what several words add together they share.`
      : `What each word adds to ${what}: the difference between the text with it and without it.`;
  }

  chosen() {
    const chosen = byId("class").value;
    return chosen === "" ? this.foremost() : Number(chosen);
  }

  foremost() {
    const { logits } = this.answer;
    return logits.indexOf(Math.max(...logits));
  }
}

globalThis.student = Student.read();
globalThis.student.then((student) => new Page(student)).catch((error) => {
  byId("note").textContent = `This page needs a browser of 2023 or a newer one (${error.message}).`;
});
