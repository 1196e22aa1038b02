// A deep averaging network: what a token or an n-gram adds to the hidden layer is computed once; a text is a sum of it.
// distill_jax/inference/networks/dan.py is the same in NumPy.

students.dan = class {
  constructor(config, arrays) {
    Object.assign(this, { config, kernel: arrays["hidden.kernel"], output: arrays["output.kernel"] });
    this.hiddenBias = arrays["hidden.bias"].values;
    this.outputBias = arrays["output.bias"].values;
    const { values, columns } = arrays.embeddings;
    this.shares = remembered((id) => {
      const share = new Float64Array(this.kernel.columns), row = arrays.embeddings.row(id);
      if (row >= 0) addProduct(share, values, row * columns, this.kernel, 0, columns);
      return share;
    });
  }

  logits(ids) {
    const sums = new Float64Array(this.kernel.columns);
    let count = 0;
    for (const [input] of ngramsOf(ids, this.config)) {
      count++;
      this.shares(input).forEach((value, unit) => (sums[unit] += value));
    }
    const divisor = Math.max(count, 1) ** this.config.length_power;
    const hidden = sums.map((sum, unit) => Math.max(sum / divisor + this.hiddenBias[unit], 0));
    return dense(hidden, this.output, this.outputBias);
  }
};
