// A student: from a text to its answer, and to what each word did. `students` has a class for each architecture, made
// of the configuration, the parameters and the longest text; `logits(ids)` is all that it must have. One with `explain`
// says exactly what each word adds.

const students = {};

const REMEMBERED = 4096;  // tokens of which something was computed

/** Return a function of token ids that computes what it gives for each id once. */
function remembered(compute) {
  const known = new Map();
  return (id) => {
    if (!known.has(id)) {
      if (known.size >= REMEMBERED) known.clear();
      known.set(id, compute(id));
    }
    return known.get(id);
  };
}

function withoutPadding(ids, pad) {
  let length = ids.length;
  while (length && ids[length - 1] === pad) length--;
  return ids.slice(0, length);
}

function dense(features, kernel, bias) {
  const sums = Float64Array.from(bias);
  addProduct(sums, features, 0, kernel, 0, features.length);
  return sums;
}

function sigmoid(value) {
  return 1 / (1 + Math.exp(-value));
}

class Student {
  static async read() {
    const packed = await readPacked();
    const { manifest, streams } = packed;
    const vocabulary = new Map();
    const words = new TextDecoder("utf-8", { ignoreBOM: true }).decode(streams.vocabulary).split("\n");
    words.forEach((word, id) => word && vocabulary.set(word, id));
    return new Student(manifest, readArrays(packed), new Tokenizer(manifest.tokenizer, vocabulary));
  }

  constructor(manifest, arrays, tokenizer) {
    const config = manifest.student;
    this.names = manifest.label_names;
    this.maxLength = manifest.max_length;
    this.tokenizer = tokenizer;
    this.network = new students[config.name](config, arrays, manifest.max_length);
    this.task = tasks[config.task](manifest);
  }

  logits(text) {
    return this.outputs(this.tokenizer.encode(text).ids);
  }

  outputs(ids) {
    return this.task.outputs(Float32Array.from(this.network.logits(ids)));
  }

  /** Return how much each word of an explanation speaks for a class. */
  evidence({ logits, parts }, label) {
    const weights = this.task.evidence(logits, label);
    return parts.map((part) => part.reduce((sum, value, index) => sum + value * weights[index], 0));
  }

  /** Return the answer: logits, what is shown of each class, which are answered. */
  answer(text) {
    const logits = this.logits(text);
    return { logits: [...logits], shares: this.task.shares(logits), answered: this.task.answered(logits) };
  }

  /**
   * Yield while it works, and return what each word did: logits, words [start, stop], seen (whether the student saw
   * them), parts (by word and class, in logits). A student that adds nothing up is asked what it says without each word.
   */
  *explain(text) {
    const { ids, owners, words } = this.tokenizer.encode(text);
    const present = new Set(owners);
    const seen = words.map((_, word) => present.has(word));
    const logits = [...this.outputs(ids)];
    if (this.network.explain) {
      const computed = this.network.explain(ids, owners, words.length).parts;
      const parts = computed.map((part) => Array.from(part, (value) => this.task.scaled(value)));
      return { logits, words, seen, exact: true, parts };
    }
    const parts = [];
    for (let word = 0; word < words.length; word++) {
      const without = seen[word] ? this.outputs(ids.filter((_, place) => owners[place] !== word)) : logits;
      parts.push(logits.map((logit, index) => logit - without[index]));
      yield;
    }
    return { logits, words, seen, exact: false, parts };
  }
}
