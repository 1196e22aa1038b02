// The linear student: a logit is a sum over tokens and n-grams of what each says for the class. distill_jax/inference/
// token_scores.py is the same in NumPy.

students.fasttext = class {
  constructor(config, arrays, maxLength) {
    this.config = config;
    this.bias = arrays["output.bias"].values;
    this.divisor = config.mask_padding ? null : maxLength;
    this.table = arrays.embeddings;
    this.scores = scoresOf(arrays.embeddings, arrays["output.kernel"]);
  }

  logits(ids) {
    return this.explain(ids, ids.map(() => 0), 1).logits;
  }

  /** Return the logits, and each word's exact part of each; an n-gram's is shared by the words that it is of. */
  explain(ids, owners, count) {
    const classes = this.bias.length;
    const parts = Array.from({ length: count }, () => new Float64Array(classes));
    const sums = new Float64Array(classes);
    let real = 0;
    for (const [input, first, length] of ngramsOf(ids, this.config)) {
      real++;
      const row = this.table.row(input);
      if (row < 0) continue;
      const words = [...new Set(owners.slice(first, first + length))].filter((owner) => owner >= 0);
      for (let index = 0; index < classes; index++) {
        const score = this.scores[row * classes + index];
        sums[index] += score;
        for (const word of words) parts[word][index] += score / words.length;
      }
    }
    const divisor = this.divisor ?? Math.max(real, 1);
    for (const part of parts) part.forEach((value, index) => (part[index] = value / divisor));
    return { logits: sums.map((sum, index) => Math.fround(sum / divisor + this.bias[index])), parts };
  }
};

function scoresOf(table, kernel) {
  const scores = new Float64Array(table.rows * kernel.columns);
  for (let row = 0; row < table.rows; row++) {
    const sums = scores.subarray(row * kernel.columns, (row + 1) * kernel.columns);
    addProduct(sums, table.values, row * table.columns, kernel, 0, table.columns);
  }
  return scores;
}
