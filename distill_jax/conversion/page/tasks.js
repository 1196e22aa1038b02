// The tasks: how logits become an answer. `shares` are what bars show, `answered` the classes that are the answer,
// `what` a word adds to, `least` the part of it that is tinted fully where no word's is larger.

const tasks = {
  "single-label": ({ decision }) => {
    const temperature = decision.temperature ?? 1;
    return {
      ...asTheyAre,
      relative: true,
      what: "the class’s logit, less the mean of all classes’",
      shares: (logits) => {
        const highest = Math.max(...logits);
        const exponentials = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
        const sum = exponentials.reduce((total, one) => total + one, 0);
        return exponentials.map((one) => one / sum);
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
  least: 0.2,
};
