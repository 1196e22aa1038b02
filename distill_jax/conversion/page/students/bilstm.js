// Tang's BiLSTM: what a token adds to the gates is computed once. distill_jax/inference/networks/bilstm.py is the same
// in NumPy.

students.bilstm = class {
  constructor(config, arrays) {
    Object.assign(this, { config, arrays });
    const { embedding: table } = arrays;
    this.directions = ["forward", "backward"].map((name) => ({
      state: arrays[`${name}.state_kernel`],
      shares: remembered((id) => {
        const share = Float64Array.from(arrays[`${name}.input_bias`].values);
        arrays[`${name}.state_bias`].values.forEach((value, gate) => (share[gate] += value));
        const row = table.row(id), kernel = arrays[`${name}.input_kernel`];
        if (row >= 0) addProduct(share, table.values, row * table.columns, kernel, 0, table.columns);
        return share;
      }),
    }));
  }

  logits(ids) {
    const tokens = withoutPadding(ids, this.config.pad_id);
    const [forward, backward] = this.directions;
    const features = [...this.pooled(forward, tokens), ...this.pooled(backward, tokens.toReversed())];
    const hidden = dense(features, this.arrays["dense.kernel"], this.arrays["dense.bias"].values);
    return dense(hidden.map((value) => Math.max(value, 0)), this.arrays["fc.kernel"], this.arrays["fc.bias"].values);
  }

  /** Return one direction's pooled states; zeros for an empty text. */
  pooled({ state: kernel, shares }, tokens) {
    const { hidden, states } = this.config;
    const state = new Float64Array(hidden), cell = new Float64Array(hidden), pooled = new Float64Array(hidden);
    tokens.forEach((id, place) => {
      const gates = Float64Array.from(shares(id));
      addProduct(gates, state, 0, kernel, 0, hidden);
      for (let unit = 0; unit < hidden; unit++) {  // the gates in torch's order: i, f, g, o
        const [i, f, g, o] = [0, 1, 2, 3].map((gate) => gates[gate * hidden + unit]);
        cell[unit] = sigmoid(f) * cell[unit] + sigmoid(i) * Math.tanh(g);
        state[unit] = sigmoid(o) * Math.tanh(cell[unit]);
        pooled[unit] = states === "last" || !place ? state[unit] : Math.max(pooled[unit], state[unit]);
      }
    });
    return pooled;
  }
};
