"""Tang's bidirectional LSTM (Tang et al. 2019, section 3.1), blind to padding.

Each direction reads a text from its own first token: for the backward one every row is reversed by its own length, so
that padding stands after the text in both. What is computed there comes after all that is looked at, and no step needs
a mask.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from distill_jax.arrays import AnyArray
from distill_jax.students.bilstm import BiLstmConfig
from distill_jax.students.networks.layers import dropout, linear, real_lengths, symmetric_uniform

DIRECTIONS = ("forward", "backward")


class BiLstm(nnx.Module):
    """Embedding, LSTM in both directions, pooling over its states, ReLU layer, dropout, linear layer.

    The paper takes each direction's last state (``states="last"``); ``"max"`` is the maximum over time. An empty text's
    features are zeros, the state that an LSTM starts from.
    """

    def __init__(self, config: BiLstmConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        table = jax.random.normal(rngs.params(), (config.vocab_size, config.embedding_dim))
        self.embedding = nnx.Param(table.at[config.pad_id].set(0))
        for direction in DIRECTIONS:
            setattr(self, direction, _lstm_layer(config.embedding_dim, config.hidden, rngs))
        self.dense = linear(2 * config.hidden, config.dense, rngs)
        self.fc = linear(config.dense, config.num_labels, rngs)

    def __call__(
        self,
        inputs: Int[AnyArray, "batch length"],
        padded_length: int | None = None,
        dropout_rng: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch classes"]:
        """Return logits; ``dropout_rng`` None = no dropout, which acts after the ReLU layer."""
        del padded_length  # padding is not looked at
        return self._classify(*self._states(inputs), dropout_rng)

    def with_token_states(
        self,
        inputs: Int[AnyArray, "batch length"],
        padded_length: int | None = None,
        dropout_rng: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "batch classes"], Float[Array, "batch steps states"]]:
        """Return logits, and both directions' states at each token side by side, 2 × hidden numbers."""
        del padded_length  # padding is not looked at
        states, lengths = self._states(inputs)
        forward, backward = states.transpose(1, 2, 0, 3)
        places = _mirrored(lengths, jnp.arange(states.shape[0]))[:, :, None]
        beside = jnp.concatenate([forward, jnp.take_along_axis(backward, places, axis=1)], axis=-1)
        return self._classify(states, lengths, dropout_rng), beside

    def _classify(
        self,
        states: Float[Array, "steps 2 batch hidden"],
        lengths: Int[Array, " batch"],
        dropout_rng: PRNGKeyArray | None,
    ) -> Float[Array, "batch classes"]:
        """Return logits of the states pooled, 2 × hidden numbers: of an empty text zeros."""
        pool = max_of_states if self.config.states == "max" else last_states
        pooled = jnp.where(lengths[:, None] > 0, pool(states, lengths), 0)
        features = jnp.concatenate([pooled[0], pooled[1]], axis=-1)
        features = jax.nn.relu(features @ self.dense["kernel"][...] + self.dense["bias"][...])
        if dropout_rng is not None and self.config.dropout:
            features = dropout(features, self.config.dropout, dropout_rng)
        return features @ self.fc["kernel"][...] + self.fc["bias"][...]

    def _states(
        self, input_ids: Int[AnyArray, "batch length"]
    ) -> tuple[Float[Array, "steps 2 batch hidden"], Int[Array, " batch"]]:
        """Return both directions' states after each token that they read, one at least, and the texts' lengths."""
        lengths = real_lengths(input_ids, self.config.pad_id)
        if not input_ids.shape[1]:
            input_ids = jnp.pad(input_ids, ((0, 0), (0, 1)), constant_values=self.config.pad_id)
        readings = jnp.stack([input_ids, reversed_texts(input_ids, lengths)])
        layers = [getattr(self, direction) for direction in DIRECTIONS]
        kernels = jnp.stack([layer["state_kernel"][...] for layer in layers])
        return lstm_states(self._gate_inputs(readings, layers), kernels), lengths

    def _gate_inputs(
        self, readings: Int[AnyArray, "2 batch length"], layers: list[nnx.Dict]
    ) -> Float[Array, "length 2 batch gates"]:
        """Return what the tokens add to the gates before σ and tanh, 4 × hidden numbers each.

        One matrix product a direction for all positions: inside the loop over them the products are small and slow.
        """
        embedded = self.embedding[...][readings.transpose(0, 2, 1)]
        inputs = [
            tokens @ layer["input_kernel"][...] + (layer["input_bias"][...] + layer["state_bias"][...])
            for tokens, layer in zip(embedded, layers, strict=True)
        ]
        return jnp.stack(inputs, axis=1)


def _lstm_layer(inputs: int, hidden: int, rngs: nnx.Rngs) -> nnx.Dict:
    """Return one direction's kernels [inputs or hidden, 4 × hidden] and biases, the gates in the order i, f, g, o.

    Two biases, though only their sum counts: torch has two, and Adam moves the sum twice as far as it would move one.
    """
    shapes = {
        "input_kernel": (inputs, 4 * hidden),
        "state_kernel": (hidden, 4 * hidden),
        "input_bias": (4 * hidden,),
        "state_bias": (4 * hidden,),
    }
    return nnx.Dict(**{k: nnx.Param(symmetric_uniform(rngs.params(), shape, hidden)) for k, shape in shapes.items()})


def reversed_texts(
    input_ids: Int[AnyArray, "batch length"], lengths: Int[AnyArray, " batch"]
) -> Int[Array, "batch length"]:
    """Return each row with its first ``lengths`` tokens in reverse; the padding stays behind them."""
    return jnp.take_along_axis(input_ids, _mirrored(lengths, jnp.arange(input_ids.shape[1])), axis=1)


def _mirrored(lengths: Int[AnyArray, " batch"], position: Int[Array, " length"]) -> Int[Array, "batch length"]:
    """Return where each position of a text is from its end on; behind it, where it is."""
    mirrored = lengths[:, None] - 1 - position
    return jnp.where(mirrored >= 0, mirrored, position)


def lstm_states(
    gate_inputs: Float[Array, "length 2 batch gates"], state_kernel: Float[Array, "2 hidden gates"]
) -> Float[Array, "length 2 batch hidden"]:
    """Return the states h of an LSTM after every token, from zero states on.

    Both directions take a step together, in one batched matrix product. The loop is not unrolled: for 32 tokens XLA on
    the CPU then takes half a minute or more to compile it with its gradient, instead of two seconds, and its program is
    slower.

    Args:
        gate_inputs: the inputs' share of the gates i, f, g, o with the biases.
        state_kernel: of each direction; gates = 4 × hidden.
    """

    def step(carry: tuple[Array, Array], inputs: Array) -> tuple[tuple[Array, Array], Array]:
        state, cell = carry
        state, cell = lstm_step(inputs + jnp.matmul(state, state_kernel), cell)
        return (state, cell), state

    zeros = jnp.zeros((*gate_inputs.shape[1:3], state_kernel.shape[1]), gate_inputs.dtype)
    return jax.lax.scan(step, (zeros, zeros), gate_inputs)[1]


def lstm_step(
    gates: Float[AnyArray, "*rows gates"], cell: Float[AnyArray, "*rows hidden"]
) -> tuple[Float[Array, "*rows hidden"], Float[Array, "*rows hidden"]]:
    """Return the next state and cell from the gates i, f, g, o before σ and tanh, 4 × hidden numbers.

    The recurrence is torch's, without peepholes: c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c').
    """
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def max_of_states(
    states: Float[AnyArray, "length 2 batch hidden"], lengths: Int[AnyArray, " batch"]
) -> Float[Array, "2 batch hidden"]:
    """Return the maximum over each text's tokens."""
    real = jnp.arange(states.shape[0])[:, None] < lengths
    return jnp.where(real[:, None, :, None], states, -jnp.inf).max(axis=0)


def last_states(
    states: Float[AnyArray, "length 2 batch hidden"], lengths: Int[AnyArray, " batch"]
) -> Float[Array, "2 batch hidden"]:
    """Return the state after each text's last token."""
    last = jnp.maximum(lengths - 1, 0)
    return jnp.take_along_axis(states, last[None, None, :, None], axis=0)[0]
