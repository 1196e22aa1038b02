// BERT's tokenizer as the tokenizers library has it: added tokens, normalizer, pre-tokenizer, WordPiece, truncation.
// Which characters it deletes, cuts at or strips is the library's own knowledge (`characters` in the settings), not the
// browser's, whose Unicode may be another.

class Tokenizer {
  constructor(settings, vocabulary) {
    this.settings = settings;
    this.vocabulary = vocabulary;  // Map: piece → id
    this.added = [...settings.added].sort(([one], [other]) => other.length - one.length);
    const { deleted, chinese, punctuation, decomposed, marks } = settings.characters;
    this.deleted = classOf(deleted);
    this.chinese = classOf(chinese);
    this.punctuation = classOf(punctuation);
    this.decomposed = classOf(decomposed);
    this.marks = classOf(marks);
    const joined = settings.normalizer.clean ? `|[${rangesOf(deleted)}]` : "";  // what is deleted cuts nothing
    this.stretch = new RegExp(`(?:\\P{White_Space}${joined})+`, "gu");
    const mark = `[${rangesOf(punctuation)}]`;
    this.edges = new RegExp(`^(${mark}*)(.*?)(${mark}*)$`, "su");
  }

  /**
   * Return the tokens that the student sees and the words that they are of.
   * ids: token ids, what is put around every text included.
   * words: [start, stop] of each word in the text.
   * owners: for each token the word it is of, −1 for none.
   */
  encode(text) {
    text = wellFormed(text);
    const { prefix, suffix, maxLength, fromTheRight } = this.settings;
    const room = maxLength - prefix.length - suffix.length;
    let tokens = [];
    const words = [];
    for (const [start, stop, id] of this.stretches(text)) {
      if (tokens.length >= room && fromTheRight) {  // the rest of the text is as one word
        words.push([start, text.length]);
        break;
      }
      const ids = id === undefined ? this.idsOf(text.slice(start, stop)) : [id];
      for (const one of ids) tokens.push([one, words.length]);
      if (ids.length) words.push([start, stop]);
    }
    tokens = fromTheRight ? tokens.slice(0, room) : tokens.slice(Math.max(tokens.length - room, 0));
    const around = (ids) => ids.map((id) => [id, -1]);
    tokens = [...around(prefix), ...tokens, ...around(suffix)];
    return { ids: tokens.map(([id]) => id), owners: tokens.map(([, owner]) => owner), words };
  }

  /** Yield [start, stop] of words and of the punctuation around them, and [start, stop, id] of added tokens. */
  *stretches(text) {
    let start = 0;
    for (let place = 0; place < text.length; ) {
      const found = this.added.find(([token]) => text.startsWith(token, place));
      if (!found) {
        place++;
        continue;
      }
      yield* this.between(text, start, place);
      yield [place, place + found[0].length, found[1]];
      start = place += found[0].length;
    }
    yield* this.between(text, start, text.length);
  }

  *between(text, start, stop) {
    for (const match of text.slice(start, stop).matchAll(this.stretch)) {
      let place = start + match.index;
      for (const part of match[0].match(this.edges).slice(1)) {
        if (part) yield [place, place + part.length];
        place += part.length;
      }
    }
  }

  idsOf(stretch) {
    return this.pieces(this.normalized(stretch)).flatMap((word) => this.wordPiece(word));
  }

  normalized(text) {
    const { clean, chinese, strip, lowercase } = this.settings.normalizer;
    if (clean) text = text.replace(this.deleted, "").replace(/\p{White_Space}/gu, " ");
    if (chinese) text = text.replace(this.chinese, " $& ");
    if (strip) text = text.replace(this.decomposed, (one) => one.normalize("NFD")).replace(this.marks, "");
    if (lowercase) text = Array.from(text, (character) => character.toLowerCase()).join("");  // each by itself
    return text;
  }

  pieces(text) {
    return text.replace(this.punctuation, " $& ").split(/\p{White_Space}+/u).filter(Boolean);
  }

  wordPiece(word) {
    const { unknown, continuing, mostCharacters } = this.settings.model;
    const characters = Array.from(word);
    if (characters.length > mostCharacters) return [unknown];
    const ids = [];
    for (let start = 0; start < characters.length; ) {
      let stop = characters.length, id;
      for (; stop > start; stop--) {
        id = this.vocabulary.get((start ? continuing : "") + characters.slice(start, stop).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknown];
      ids.push(id);
      start = stop;
    }
    return ids;
  }
}

/** Return half of a pair without the other half as what the library is given for it. */
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/** Return ranges, [first, last, first, last, …], as the inside of a class of a regular expression. */
function rangesOf(ranges) {
  const escaped = ranges.map((character) => `\\u{${character.toString(16)}}`);
  return escaped.map((one, index) => (index % 2 ? `-${one}` : one)).join("");
}

function classOf(ranges) {
  return ranges.length ? new RegExp(`[${rangesOf(ranges)}]`, "gu") : /[]/gu;
}
