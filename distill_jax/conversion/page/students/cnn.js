// Kim's CNN: what a token adds to each filter at each place of a window is computed once; a filter's response is a sum.
// distill_jax/inference/networks/cnn.py is the same in NumPy.

students.cnn = class {
  constructor(config, arrays, maxLength) {
    Object.assign(this, { config, maxLength, table: arrays.embedding, output: arrays["fc.kernel"] });
    this.outputBias = arrays["fc.bias"].values;
    this.layers = config.filter_heights.map((height, index) => ({
      height,
      kernel: arrays[`conv${index}.kernel`],  // [height × dim, filters]
      bias: arrays[`conv${index}.bias`].values,
    }));
    this.tallest = Math.max(...config.filter_heights);
    this.shares = remembered((id) => this.layers.map(({ height, kernel }) => this.sharesOf(id, height, kernel)));
  }

  /** Return what a token adds to each filter of a height, at each place of a window. */
  sharesOf(id, height, kernel) {
    const { values, columns } = this.table, row = this.table.row(id);
    return Array.from({ length: height }, (_, place) => {
      const share = new Float64Array(kernel.columns);
      if (row >= 0) addProduct(share, values, row * columns, kernel, place * columns, columns);
      return share;
    });
  }

  logits(ids) {
    const { mask_padding: masked, pad_id: pad } = this.config;
    const tokens = withoutPadding(ids, pad).map((id) => this.shares(id));
    const behind = masked ? null : this.shares(pad);  // null: zeros
    const features = this.layers.flatMap((layer, index) => {
      // A padded row has so many windows; those of padding alone are all alike, and one of them is enough.
      const windows = masked
        ? Math.max(tokens.length, 1)
        : Math.min(tokens.length + 1, Math.max(this.maxLength, this.tallest) - layer.height + 1);
      return [...this.pooled(layer, windows, (place) => (tokens[place] ?? behind)?.[index])];
    });
    return dense(features, this.output, this.outputBias);
  }

  /** Return relu(the largest response of each filter of a layer). */
  pooled({ height, bias }, windows, sharesAt) {
    const highest = new Float64Array(bias.length).fill(-Infinity);
    const response = new Float64Array(bias.length);
    for (let start = 0; start < windows; start++) {
      response.fill(0);
      for (let place = 0; place < height; place++) {
        const share = sharesAt(start + place)?.[place];
        if (share) for (let filter = 0; filter < response.length; filter++) response[filter] += share[filter];
      }
      for (let filter = 0; filter < response.length; filter++) {
        if (response[filter] > highest[filter]) highest[filter] = response[filter];
      }
    }
    return highest.map((value, filter) => Math.max(value + bias[filter], 0));
  }
};
