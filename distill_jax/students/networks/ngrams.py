"""``hashed_ngrams`` within a program of JAX's, for students that leave NumPy behind."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from distill_jax.arrays import AnyArray
from distill_jax.data.ngrams import FACTOR


def traced_ngrams(
    ids: Int[AnyArray, "batch length"], ngrams: int, *, vocab_size: int, buckets: int, pad_id: int
) -> Int[Array, "batch length ngrams"]:
    """Return padded rows with the n-grams that start at each token beside it, as ``hashed_ngrams`` has them."""
    found, whole = [ids], ids != pad_id
    with jax.enable_x64(True):
        hashes = ids.astype(jnp.uint64)
        for extra in range(1, ngrams):
            following = jnp.pad(ids, ((0, 0), (0, extra)), constant_values=pad_id)[:, extra:]
            hashes = hashes * jnp.uint64(FACTOR) + following.astype(jnp.uint64)  # modulo 2^64, as in C
            whole = whole & (following != pad_id)
            bucket = vocab_size + (hashes % jnp.uint64(buckets)).astype(jnp.int32)
            found.append(jnp.where(whole, bucket, pad_id).astype(jnp.int32))
    return jnp.stack(found, axis=-1)
