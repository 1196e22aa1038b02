// The tasks: how logits become an answer. `shares` are what bars show, `answered` the classes that are the answer,
// `evidence` by how much each logit, as it rises, speaks for a class, `what` a word adds to, `least` the part that is
// tinted fully where no word's is larger.

const tasks = {
  "single-label": ({ decision }) => {
    const temperature = decision.temperature ?? 1;
    const shares = (logits) => {
      const highest = Math.max(...logits);
      const exponentials = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
      const sum = exponentials.reduce((total, one) => total + one, 0);
      return exponentials.map((one) => one / sum);
    };
    return {
      ...asTheyAre,
      what: "the class’s log-odds, the other classes counting as they are probable",
      shares,
      evidence: (logits, label) => {  // by how much each logit raises the log-odds of a class
        const others = shares(Array.from(logits, (logit, index) => (index === label ? -Infinity : logit)));
        return others.map((share, index) => (index === label ? 1 : -share));
      },
      answered: (logits) => [logits.indexOf(Math.max(...logits))],
    };
  },
  "multi-label": ({ decision, label_names: names }) => {
    const thresholds = decision.thresholds ?? names.map(() => 0.5);
    const edges = thresholds.map((share) => {
      const inside = Math.min(Math.max(share, 1e-12), 1 - 1e-12);
      return Math.fround(Math.log(inside / (1 - inside)));
    });
    return {
      ...asTheyAre,
      thresholds,
      shares: (logits) => Array.from(logits, sigmoid),
      answered: (logits) => [...logits.keys()].filter((index) => logits[index] >= edges[index]),
    };
  },
  score: ({ student }) => {
    const [mean, deviation] = student.standardisation ?? [0, 1];
    return {
      ...asTheyAre,
      outputs: (computed) => computed.map((value) => Math.fround(value * Math.fround(deviation)) + Math.fround(mean)),
      what: "the score",
      scaled: (part) => part * deviation,
      least: 0.2 * deviation,
      shares: () => null,
      answered: () => [0],
    };
  },
};

const asTheyAre = {
  what: "the label’s logit",
  outputs: (computed) => computed,
  scaled: (part) => part,
  evidence: (logits, label) => Array.from(logits, (_, index) => (index === label ? 1 : 0)),
  least: 0.2,
};
