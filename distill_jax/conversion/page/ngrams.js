// A bag's tokens and n-grams, as distill_jax/data/ngrams.py makes them.

const FACTOR = 116049371n;  // the multiplier of the n-grams' hash

/** Yield the tokens and the n-grams' buckets, each with its first token's place and its length; no padding. */
function* ngramsOf(ids, { vocab_size: vocabulary, pad_id: pad, ngrams, buckets }) {
  for (let place = 0; place < ids.length; place++) {
    if (ids[place] === pad) continue;
    yield [ids[place], place, 1];
    let hash = BigInt(ids[place]);
    for (let extra = 1; extra < ngrams && place + extra < ids.length && ids[place + extra] !== pad; extra++) {
      hash = BigInt.asUintN(64, hash * FACTOR + BigInt(ids[place + extra]));
      yield [vocabulary + Number(hash % BigInt(buckets)), place, extra + 1];
    }
  }
}
